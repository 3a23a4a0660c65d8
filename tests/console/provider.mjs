// A provider of OpenID Connect for the tests: a certified one, with people who need no password.
//
// Usage: node provider.mjs FOLDER PORT SERVICE, the folder with node/node_modules, a free port, and where the console stands.
// CLIENT_SECRET is that of the client "closeout". It says a line once it listens.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, port, service] = process.argv.slice(2);
const { Provider } = await import(pathToFileURL(path.resolve(folder, "node/node_modules/oidc-provider/lib/index.js")));

/** Whom the provider knows, and what groups they are in. */
const people = { olga: ["closeout-operators", "canteen"], vera: ["closeout-viewers"], uwe: ["canteen"] };

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "ES256" };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "closeout",
      client_secret: process.env.CLIENT_SECRET,
      redirect_uris: [`${service}/console/login/oidc/back`],
      post_logout_redirect_uris: [`${service}/console/login`],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      id_token_signed_response_alg: "ES256",
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: [randomUUID()] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: people[id] }) },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      enabled: true,
      // Its own page loads a typeface from elsewhere.
      logoutSource: (context, form) => {
        context.body = `<!doctype html><title>Staff</title>${form}<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`;
      },
    },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(context) {
    const { session, client } = context.oidc;
    const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
});

async function interaction(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method === "GET") {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>Staff</title><form method="post"><label>Name <input name="name"></label>
      <button>Go on</button> <button name="cancel" value="1">Cancel</button></form>`);
    return;
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const form = new URLSearchParams(body);
  const result = form.has("cancel")
    ? { error: "access_denied", error_description: "called off by the person" }
    : { login: { accountId: form.get("name") } };
  await provider.interactionFinished(request, response, result);
}

const others = provider.callback();
createServer((request, response) => {
  const answered = request.url.startsWith("/interaction/") ? interaction(request, response) : others(request, response);
  Promise.resolve(answered).catch(error => response.writeHead(500).end(String(error)));
}).listen(Number(port), "127.0.0.1", () => console.log("listens"));

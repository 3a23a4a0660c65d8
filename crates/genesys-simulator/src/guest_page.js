// Keeps the page as the guest would see it. Without this the page stands still until it is loaded again.
const form = document.querySelector("form");
const input = form.elements.text;
const messages = document.querySelector(".messages");
const lines = messages.querySelector("ol");
const badge = document.querySelector("[data-testid=guest-state]");
const notice = document.querySelector("[data-testid=guest-notice]");
const error = document.querySelector("[data-testid=guest-error]");
const truth = document.querySelector("[data-testid=behind-the-scenes]");
const title = document.title;
// The greeting is not the guest's.
let shown = lines.children.length - 1;

// Only a change is written, so that a screen reader hears each thing once.
function say(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

function show(now) {
  if (now.guestState === "read-only" && document.activeElement === input) messages.focus();
  document.documentElement.dataset.state = now.guestState;
  say(badge, now.guestState);
  say(notice, now.notice);
  say(truth, now.behindTheScenes);
  document.title = now.notice ? `Ended · ${title}` : title;
  for (; shown < now.lines.length; shown++) {
    const line = document.createElement("li");
    const who = document.createElement("span");
    line.className = "mine";
    who.className = "who";
    who.textContent = "Guest: ";
    line.append(who, now.lines[shown]);
    lines.append(line);
    messages.scrollTop = messages.scrollHeight;
  }
}

// Answers whether there is a chat to go on looking at.
async function look() {
  try {
    const answer = await fetch(`${form.action}/state`, { cache: "no-store" });
    if (answer.ok) show(await answer.json());
    if (answer.status === 404) say(truth, "The simulator no longer has this conversation: it was reset or started anew.");
    return answer.status !== 404;
  } catch {
    // The simulator is away; the guest goes on seeing what was there.
    return true;
  }
}

async function follow() {
  while (await look()) await new Promise(resume => setTimeout(resume, 500));
}

form.addEventListener("submit", async event => {
  event.preventDefault();
  const text = input.value;
  if (!text.trim()) return;
  input.value = "";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams({ text }), redirect: "manual" });
    await look();
    if (answer.status === 409) say(error, await answer.text());
  } catch {
    input.value = text;
  }
});

messages.scrollTop = messages.scrollHeight;
follow();

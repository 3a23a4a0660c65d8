/**
 * A small client of Closeout: asks for a session to be closed, waits, and says what became of it.
 *
 * Node 20 or later; no packages. Copy it into your project.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

/** What to close. An external id that several open conversations bear is refused, with the candidates. */
export type Subject =
  | { conversationId: string; participantId?: string }
  | { target: { externalId: string } | { attribute: { name: string; value: string } } };

/** What to close, and how. What `policy` does not say holds as the service is configured. */
export type CloseRequest = Subject & {
  organisation?: string;
  reason?: string;
  labels?: Record<string, string>;
  policy?: {
    agentConnected?: "refuse" | "wait" | "allow";
    evidence?: "webhook_or_read_back" | "webhook_only";
    order?: "guest_first" | "conversation_first";
    wrapperClose?: "patch" | "delete";
    /** An ISO 8601 duration, such as PT2M. */
    deadline?: string;
  };
};

/** What proved that the guest is gone. */
export interface Proof {
  kind: string;
  adapter: string | null;
  eventType: string | null;
  eventId: string | null;
  receivedAt: string;
}

/** Why a closure is not on the happy path, and what can be done first. */
export interface Trouble {
  code: string;
  detail: string;
  retryable: boolean;
  fix: string | null;
}

interface Facts {
  id: string;
  /** Null while it is still looked up. */
  conversationId: string | null;
  participantId: string | null;
  /** Whether the request joined a closure that was open already. */
  attached: boolean;
  apiCalls: number;
}

/** A closure, by its state. The compiler asks for what each state needs. */
export type Closure = Facts &
  (
    | { state: "closed" | "already_closed"; /** Null only where nothing but an operator's force ended it. */ confirmedBy: Proof | null }
    | { state: "resolved" | "cancelled" }
    | { state: "failed" | "ghost" | "blocked"; reason: string; problem: Trouble }
    | {
        state:
          | "accepted"
          | "scheduled"
          | "resolving"
          | "verifying"
          | "closing_participant"
          | "awaiting_confirmation"
          | "closing_wrapper";
        waitingFor: string | null;
      }
  );

/** The body of an error: RFC 9457 problem details. */
export interface Problem {
  code: string;
  title: string;
  status: number;
  detail: string;
  retryable: boolean;
  fix: string;
  field?: string | null;
  closure?: string | null;
  candidates?: { conversationId: string; startTime: string | null; queueId: string | null }[];
}

/** Closeout refused the request. The message says what is wrong and what to do. */
export class Refused extends Error {
  constructor(
    readonly problem: Problem,
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(`${problem.detail} ${problem.fix}`);
    this.name = "Refused";
  }
}

/** No answer of Closeout's came. Whether the request arrived is not known; the same key asks safely again. */
export class Unreachable extends Error {
  constructor(server: string, cause: unknown) {
    super(`Closeout does not answer at ${server}. Check the address, and that the service runs.`, { cause });
    this.name = "Unreachable";
  }
}

export interface Waiting {
  /** How long to wait for the end, in seconds; at most 300. Without it the answer comes once the request is durable. */
  waitSeconds?: number;
  /** The same key with the same request is answered with the same closure. Drawn at random when absent. */
  idempotencyKey?: string;
}

export class Closeout {
  constructor(
    private readonly server: string,
    private readonly key: string,
    private readonly attempts = 4,
  ) {}

  /** Takes `CLOSEOUT_SERVER` and `CLOSEOUT_TOKEN`, as `closeout dev` prints them. */
  static fromEnvironment(): Closeout {
    const { CLOSEOUT_SERVER: server = "http://127.0.0.1:8080", CLOSEOUT_TOKEN: key } = process.env;
    if (!key) throw new Error("CLOSEOUT_TOKEN is not set. Set it to a key of the role `submit` or above.");
    return new Closeout(server, key);
  }

  /** Closes a session. A ghost or a failure is an answer, not an error: look at `state`. */
  async close(request: CloseRequest, { waitSeconds = 0, idempotencyKey = randomUUID() }: Waiting = {}): Promise<Closure> {
    const body = JSON.stringify(request);
    const headers = { "content-type": "application/json", "idempotency-key": idempotencyKey };
    return this.patiently(waitSeconds, wait => this.ask("POST", `/v1/closures${wait}`, waitSeconds, { headers, body }));
  }

  /** Looks at a closure, or waits for its end. */
  async get(id: string, { waitSeconds = 0 }: { waitSeconds?: number } = {}): Promise<Closure> {
    return this.patiently(waitSeconds, wait => this.ask("GET", `/v1/closures/${encodeURIComponent(id)}${wait}`, waitSeconds));
  }

  /** Asks again what can succeed later, and nothing else: after the pause that the service asks for, else a growing one. */
  private async patiently(waitSeconds: number, ask: (wait: string) => Promise<Closure>): Promise<Closure> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(waitSeconds > 0 ? `?wait=${waitSeconds}s` : "");
      } catch (error) {
        const again = error instanceof Unreachable || (error instanceof Refused && error.problem.retryable);
        if (!again || attempt >= this.attempts) throw error;
        const asked = error instanceof Refused ? error.retryAfterSeconds : undefined;
        // Never all at the same moment: whoever was refused together would come together again.
        await sleep(1000 * (asked ?? 0.125 * 2 ** attempt) * (1 + Math.random()));
      }
    }
  }

  private async ask(method: string, path: string, waitSeconds: number, more: RequestInit = {}): Promise<Closure> {
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(new URL(path, this.server), {
        ...more,
        method,
        headers: { ...more.headers, authorization: `Bearer ${this.key}` },
        signal: AbortSignal.timeout(1000 * (waitSeconds + 10)),
      });
      text = await answer.text();
    } catch (cause) {
      throw new Unreachable(this.server, cause);
    }
    if (answer.ok) return JSON.parse(text) as Closure;
    if (!answer.headers.get("content-type")?.startsWith("application/problem+json")) {
      throw new Unreachable(this.server, new Error(`${answer.status} from something that is not Closeout`));
    }
    const after = Number(answer.headers.get("retry-after") ?? Number.NaN);
    throw new Refused(JSON.parse(text) as Problem, Number.isFinite(after) ? after : undefined);
  }
}

/** How a closure stands, in one line for a log. */
export function inWords(closure: Closure): string {
  const what = closure.conversationId ?? "a conversation that is still looked for";
  switch (closure.state) {
    case "closed":
      return `${what} is closed, proven by ${closure.confirmedBy?.kind ?? "nothing: it was forced"}`;
    case "already_closed":
      return `${what} was closed already`;
    case "resolved":
      return `${what} was settled by an operator`;
    case "cancelled":
      return `${what} was left open: the closure was called off`;
    case "failed":
    case "ghost":
    case "blocked":
      return `${what} is not closed: ${closure.problem.detail} ${closure.problem.fix ?? ""}`.trimEnd();
    default:
      return `${what} is being closed (${closure.waitingFor ?? closure.state})`;
  }
}

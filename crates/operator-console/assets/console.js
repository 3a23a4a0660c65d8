// What works without this works all the same: times as one likes them, copy buttons, keys, the number in the title.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  const kept = (name, value) => {
    try {
      if (value === undefined) return localStorage.getItem(`closeout.${name}`) ?? "";
      localStorage.setItem(`closeout.${name}`, value);
    } catch { /* a browser that keeps nothing forgets it with the page */ }
    return value ?? "";
  };

  // Light or dark. The service reads the cookie and writes it into each page, so none is first shown in other colours.
  const look = document.getElementById("look");
  if (look) {
    look.value = root.dataset.look ?? "";
    look.addEventListener("change", () => {
      const how = look.value;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `closeout-look=${how}; Path=/; Max-Age=${how ? 365 * 86400 : 0}; SameSite=Lax${secure}`;
      if (how) root.dataset.look = how; else delete root.dataset.look;
    });
  }

  // Times: UTC as they come, local, or how long ago. What lies ahead is "from now", which goes behind "until" as well as alone.
  const times = document.getElementById("times");
  const units = [[60, "s", 1], [3600, "min", 60], [172800, "h", 3600], [Infinity, "d", 86400]];
  const ago = (then) => {
    const seconds = Math.round((Date.now() - then) / 1000);
    const [, unit, length] = units.find(([below]) => Math.abs(seconds) < below);
    const number = Math.round(Math.abs(seconds) / length);
    return seconds >= 0 ? `${number} ${unit} ago` : `${number} ${unit} from now`;
  };
  const two = (number) => String(number).padStart(2, "0");
  const clock = (at, exact) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${exact ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : ""}`;
  const local = (at, exact) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(at, exact)}`;
  const tell = () => {
    const how = kept("times") || "utc";
    root.dataset.times = how;
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.utc ??= time.textContent;
      const exact = "exact" in time.dataset;
      time.title = `${time.dataset.utc} · ${local(at, exact)} here · ${ago(at.getTime())}`;
      time.textContent = how === "local" ? local(at, exact) : how === "ago" && !exact ? ago(at.getTime()) : time.dataset.utc;
    }
  };
  if (times) {
    times.value = kept("times") || "utc";
    times.addEventListener("change", () => { kept("times", times.value); tell(); });
  }
  tell();
  setInterval(() => { if (kept("times") === "ago") tell(); }, 10000);

  // Whoever sees local times types them too; the service knows UTC.
  document.addEventListener("submit", (event) => {
    if (kept("times") !== "local") return;
    for (const field of event.target.querySelectorAll("#since, #until")) {
      const given = field.value.trim();
      const at = new Date(given.replace(" ", "T"));
      if (/^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d+)?)?$/.test(given) && !Number.isNaN(at.getTime())) field.value = at.toISOString();
    }
  });

  // What is shown anew is shown as it was left: with the rows that are chosen, what stands in the fields, and where one was.
  const main = document.getElementById("main");
  const here = location.pathname + location.search;
  const boxes = () => [...document.querySelectorAll("input[type=checkbox][form=chosen]")];
  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  const fields = () => [...main.querySelectorAll("input[id]:not([type=checkbox]), textarea[id], select[id]")];
  const traits = (one) => JSON.stringify([one.localName, one.id, one.name, one.getAttribute("href"), one.textContent]);
  let at = -1;
  let last = null;
  document.addEventListener("focusin", (event) => { if (!event.target.closest("#live")) last = event.target; });
  const leave = () => {
    const left = { here, chosen: boxes().filter((box) => box.checked).map((box) => box.value), fields: fields().map((field) => [field.id, field.value]) };
    if (last && main.contains(last)) Object.assign(left, { row: last.closest("tr[id]")?.id, focus: traits(last) });
    try { sessionStorage.setItem("closeout.left", JSON.stringify(left)); } catch { /* then it is shown as it comes */ }
    location.reload();
  };
  const comeBack = () => {
    let left = null;
    try {
      left = JSON.parse(sessionStorage.getItem("closeout.left"));
      sessionStorage.removeItem("closeout.left");
    } catch { /* nothing was left */ }
    if (left?.here !== here) return;
    for (const box of boxes()) box.checked = left.chosen.includes(box.value);
    document.dispatchEvent(new Event("change"));
    const values = new Map(left.fields);
    for (const field of fields()) if (values.has(field.id)) field.value = values.get(field.id);
    if (!left.focus) return;
    const row = left.row && document.getElementById(left.row);
    const all = [...(left.row ? row : main)?.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]") ?? []];
    // Of a row that is gone, the page itself takes the focus, so that keys go on from there.
    (all.find((one) => traits(one) === left.focus) ?? all.find((one) => row && one.localName === "a") ?? main).focus({ preventScroll: true });
    at = row ? rows().indexOf(row) : -1;
    rows()[at]?.classList.add("at");
  };

  // Copy buttons.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (button) {
      const said = button.textContent;
      try {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        button.textContent = "Copied";
      } catch { button.textContent = "Not copied"; }
      setTimeout(() => { button.textContent = said; }, 1500);
    }
    if (event.target.closest?.("[data-again]")) {
      event.preventDefault();
      leave();
    }
  });

  // The number of ghosts in the title and in the menu.
  const live = document.getElementById("live");
  const bare = document.body.dataset.title;
  if (live && bare) {
    new MutationObserver(() => {
      const ghosts = live.querySelector("[data-ghosts-now]")?.dataset.ghostsNow;
      if (ghosts === undefined) return;
      document.title = ghosts === "0" ? bare : `(${ghosts}) ${bare}`;
      const count = document.querySelector("[data-ghosts]");
      if (count) {
        count.textContent = ghosts;
        count.hidden = ghosts === "0";
      }
      // How far a batch is. Whoever stands on one of its numbers stays there.
      for (const news of live.querySelectorAll("[data-for]")) {
        const place = document.getElementById(news.dataset.for);
        const stood = place?.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        place?.replaceChildren(...news.childNodes);
        news.remove();
        [...(place?.querySelectorAll("a") ?? [])].find((link) => link.getAttribute("href") === stood)?.focus({ preventScroll: true });
      }
    }).observe(live, { childList: true, subtree: true });
    // A page that nobody looks at holds no connection: a browser has six for a host.
    const connect = () => {
      if (document.hidden || live.hasAttribute("hx-sse:connect")) return;
      live.setAttribute("hx-sse:connect", live.dataset.live);
      window.htmx?.process(live);
    };
    document.addEventListener("visibilitychange", connect);
    connect();
    const says = (text, link) => {
      const news = document.createElement("p");
      news.className = "news";
      news.setAttribute("role", "status");
      news.append(text);
      if (link) {
        const again = document.createElement("a");
        again.href = location.pathname + location.search;
        again.textContent = link;
        news.append(" ", again);
      }
      live.replaceChildren(news);
    };
    live.addEventListener("over", () => says("You are logged out.", "Log in"));
    live.addEventListener("htmx:sse:error", () => says("The service does not answer; what you see may be old."));
  }

  // Rows that are chosen, and how many they are.
  const chosen = document.getElementById("chosen");
  const all = document.getElementById("choose-all");
  if (chosen) {
    const count = () => {
      const number = boxes().filter((box) => box.checked).length;
      chosen.querySelector("button").textContent = number ? `Preview for the ${number} chosen` : "Preview for the chosen";
      if (all) all.checked = number > 0 && number === boxes().length;
    };
    document.addEventListener("change", (event) => {
      if (event.target === all) boxes().forEach((box) => { box.checked = all.checked; });
      count();
    });
    if (all) all.hidden = false;
    count();
  }
  if (main) comeBack();

  // Keys.
  const go = (step) => {
    const all = rows();
    if (!all.length) return;
    all[at]?.classList.remove("at");
    at = Math.min(Math.max(at + step, 0), all.length - 1);
    all[at].classList.add("at");
    const link = all[at].querySelector("a, button, input:not([type=hidden]):not([type=checkbox])");
    link?.focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "nearest" });
  };
  const help = () => {
    let box = document.getElementById("keys");
    if (!box) {
      box = document.createElement("dialog");
      box.id = "keys";
      const heading = document.createElement("h2");
      heading.textContent = "Keys";
      box.append(heading);
      for (const [key, what] of [["/", "find by any id"], ["j  k", "next and previous row"], ["Enter", "open the row"], ...(boxes().length ? [["x", "choose the row"]] : []), ["g h", "what needs me"], ["g c", "closures"], ["Esc", "leave a field, close this"]]) {
        const line = document.createElement("p");
        const name = document.createElement("kbd");
        name.textContent = key;
        line.append(name, ` ${what}`);
        box.append(line);
      }
      const close = document.createElement("button");
      close.textContent = "Close";
      close.addEventListener("click", () => box.close());
      box.append(close);
      document.body.append(box);
    }
    box.showModal();
  };
  let before = "";
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input:not([type=checkbox]), textarea, select");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && field) { field.blur(); return; }
    if (field) return;
    if (before === "g" && event.key === "h") location.assign("/");
    else if (before === "g" && event.key === "c") location.assign("/console/closures");
    else if (event.key === "/") { event.preventDefault(); document.getElementById("find")?.focus(); }
    else if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (event.key === "x") rows()[at]?.querySelector("input[type=checkbox]")?.click();
    else if (event.key === "?") help();
    before = event.key;
  });
})();

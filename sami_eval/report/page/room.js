// The reading room: a list of questions, and one of them with both answers and all verdicts.
document.addEventListener("DOMContentLoaded", async () => {
  const source = $("room-index");
  if (!source) return;
  const data = await unpack(source), texts = storedTexts(data);

  // ---- The list ---------------------------------------------------------------------------------
  const NAMES = { a: "win-a", b: "win-b", tie: "win-tie", none: "win-none" };
  const MARKS = ["inconsistent", "unparsed", "longer"], CHOICES = ["pair", "category", "outcome"];
  const STEP = 200; // lines of the list that are made at once
  const kind = (score) => (score === null ? "none" : score > 0.5 ? "a" : score < 0.5 ? "b" : "tie");
  function outcomeText(item, score) {
    const what = kind(score);
    if (what === "none") return "no verdict";
    return what === "tie" ? "tie" : `${what === "a" ? item.a : item.b} wins`;
  }

  let hits = null; // by number of a text whether what is searched stands in it
  function isFound(item, query) {
    const prompt = data.prompts[item.prompt];
    const names = [prompt.id, prompt.category, ...prompt.principles].join("\n").toLowerCase();
    const answers = [item.a, item.b].flatMap((name) => data.answers[name]?.[item.prompt]?.turns ?? []);
    const said = item.turns.flatMap((turn) => turn.verdicts.map((one) => one.text));
    return names.includes(query) || [...prompt.history, ...prompt.turns, ...answers, ...said].some((number) => hits[number]);
  }

  function matches(item) {
    const outcome = $("outcome").value, query = $("search").value.trim().toLowerCase();
    if ($("pair").value !== "all" && item.pair !== Number($("pair").value)) return false;
    if ($("category").value !== "all" && data.prompts[item.prompt].category !== $("category").value) return false;
    if (outcome !== "all" && !item.turns.some((turn) => kind(turn.outcome) === outcome)) return false;
    for (const mark of MARKS) if ($(mark).checked && !item.turns.some((turn) => turn[mark])) return false;
    return !query || !hits || isFound(item, query);
  }

  let shown = [], made = 0, current = null;
  function line(item) {
    const prompt = data.prompts[item.prompt], button = make("button", "", prompt.start || prompt.id);
    button.type = "button";
    const pair = data.pairs.length > 1 || item.a !== data.pairs[item.pair][0] ? ` · ${item.a} : ${item.b}` : "";
    button.append(make("span", "what", `${prompt.id} · ${prompt.category}${pair}`));
    for (const turn of item.turns)
      button.append(make("span", `chip ${NAMES[kind(turn.outcome)]}`, `${turn.turn + 1}: ${outcomeText(item, turn.outcome)}`));
    button.addEventListener("click", () => open(item, true));
    button.tabIndex = -1;
    item.button = button;
    return make("li", "", button);
  }

  function more(upTo) {
    const rows = shown.slice(made, Math.max(upTo, made + STEP));
    made += rows.length;
    $("items").append(...rows.map(line));
  }

  // scrollIntoView would move the page too.
  function keepInView(button) {
    const box = button.closest(".list");
    const top = button.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + button.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = top + button.offsetHeight - box.clientHeight;
  }

  // The one line that Tab reaches; arrows reach the others.
  function select(item) {
    const before = $("items").querySelector('[tabindex="0"]'), at = shown.indexOf(item);
    if (before) before.tabIndex = -1;
    $("items").querySelector("[aria-current]")?.removeAttribute("aria-current");
    if (at < 0) return;
    if (at >= made) more(at + 1);
    item.button.tabIndex = 0;
    item.button.setAttribute("aria-current", "true");
    keepInView(item.button);
  }

  function list() {
    shown = data.items.filter(matches);
    made = 0;
    $("items").replaceChildren();
    more(STEP);
    if (!shown.length) $("items").append(make("li", "none", data.items.length ? "no question matches" : "nothing was judged"));
    $("count").textContent = `${shown.length} of ${data.items.length} shown`;
    if (!shown.length) nothing();
    else if (shown.includes(current)) { select(current); where(); }
    else open(shown[0], false);
  }

  function nothing() {
    current = null;
    const words = data.items.length ? "No question matches these filters." : "Nothing was judged.";
    $("reading").replaceChildren(make("p", "soft", words));
    $("where").textContent = "";
  }

  // ---- One question -----------------------------------------------------------------------------
  const LONG = 2500; // characters of an answer that is folded
  const left = () => make("p", "soft", "(left out: the page is full)");

  function shownText(found) {
    if (found === null) return left();
    if (!found.source.trim()) return make("p", "soft", "(empty)");
    if ($("raw").checked) return scrolling(make("pre", "raw", found.source), "raw text");
    return found.html === null ? paragraphs(found.source) : rebuilt(found.html, data);
  }

  function folded(node, size) {
    if (size <= LONG) return node;
    const button = make("button", "unfold", `show all ${size.toLocaleString("en")} characters`), box = make("div", "fold", node);
    button.type = "button";
    button.addEventListener("click", () => { box.classList.remove("fold"); button.remove(); });
    return make("div", "", box, button);
  }

  function side(item, which, number, found, other) {
    const answer = data.answers[item[which]]?.[item.prompt];
    const tokens = answer?.tokens?.[number], size = found?.source.length ?? 0;
    const length = tokens != null ? `${tokens} tokens` : found ? `${size} characters` : "";
    const cut = answer?.cut?.[number] ? ", cut at the token limit" : "";
    const about = length || cut ? make("span", "soft", ` (${length}${cut})`) : "";
    const head = make("h4", "", `${which.toUpperCase()} · ${item[which]}`, about);
    if (found === undefined) return make("section", `side ${which}`, head, make("p", "soft", "not recorded"));
    if (found && !found.source.trim()) return make("section", `side ${which}`, head, make("p", "soft", "(empty answer)"));
    let body = null;
    if ($("compared").checked && found && other) {
      const words = [found, other].map((one) => wordsOf(one.source)), kept = shared(...words);
      body = kept ? marked(words[0], kept[0]) : make("p", "soft", "too long to be compared word by word");
    }
    return make("section", `side ${which}`, head, folded(body ?? shownText(found), size));
  }

  async function verdict(item, one) {
    const order = one.first === null ? "order not recorded" : `${item[one.first]} shown first`;
    const what = one.winner ?? "none";
    const winner = one.winner === null ? `no verdict: ${one.reason ?? "unknown"}` : outcomeText(item, { a: 1, b: 0, tie: 0.5 }[what]);
    const score = one.score === null ? "" : ` (score ${Number(one.score.toFixed(3))})`;
    const repeat = one.repeat ? `, repeat ${one.repeat + 1}` : "";
    const head = make("h4", "", `${one.judge}, ${order}${repeat}: `, make("span", NAMES[what], winner + score));
    const found = await texts.get(one.text), node = make("section", "verdict", head);
    if (found === null || found.source.trim()) node.append(scrolling(make("div", "words", shownText(found)), "what the judge said"));
    if (one.thoughts === undefined) return node;
    const thoughts = shownText(await texts.get(one.thoughts));
    node.append(make("details", "", make("summary", "", "thoughts"), scrolling(make("div", "words", thoughts), "what the judge thought")));
    return node;
  }

  async function before(prompt) {
    const said = await Promise.all(prompt.history.map((number) => texts.get(number)));
    const node = make("details", "", make("summary", "", `given: ${said.length} earlier messages`));
    said.forEach((one, i) => node.append(make("strong", "", i % 2 ? "Answer" : "Message"), folded(shownText(one), one?.source.length ?? 0)));
    return node;
  }

  async function turn(item, prompt, number) {
    const judged = item.turns.find((one) => one.turn === number);
    const nodes = [make("div", "prompt", make("strong", "", `Turn ${number + 1}`), shownText(await texts.get(prompt.turns[number])))];
    const reference = prompt.reference[number] === undefined ? null : await texts.get(prompt.reference[number]);
    if (reference?.source) nodes.push(make("details", "", make("summary", "", "reference answer"), shownText(reference)));
    const [a, b] = await Promise.all([item.a, item.b].map((name) => {
      const answer = data.answers[name]?.[item.prompt]?.turns[number];
      return answer === undefined ? undefined : texts.get(answer);
    }));
    nodes.push(make("div", "pair", side(item, "a", number, a, b), side(item, "b", number, b, a)));
    if (!judged) return nodes;
    const marks = { inconsistent: "the orders disagree", unparsed: "a judgment without a verdict" };
    const head = make("p", "", make("strong", NAMES[kind(judged.outcome)], outcomeText(item, judged.outcome)));
    const said = Object.keys(marks).filter((mark) => judged[mark]).map((mark) => marks[mark]);
    if (said.length) head.append(make("span", "soft", `  (${said.join(", ")})`));
    const verdicts = await Promise.all(judged.verdicts.map((one) => verdict(item, one)));
    return [...nodes, head, make("div", "verdicts", ...verdicts)];
  }

  function where() {
    const at = shown.indexOf(current);
    $("where").textContent = at < 0 ? "" : `${at + 1} of ${shown.length}`;
  }

  async function open(item, remember) {
    current = item;
    select(item);
    where();
    if (remember) history.replaceState(null, "", `#${link(item)}`);
    const prompt = data.prompts[item.prompt];
    const nodes = [make("h3", "", `${prompt.id} · ${prompt.category} · ${item.a} : ${item.b}`)];
    if (prompt.principles.length) nodes.push(make("p", "soft", `principles: ${prompt.principles.join(" · ")}`));
    if (prompt.checklist.length) nodes.push(make("p", "soft", `checklist: ${prompt.checklist.join(" · ")}`));
    if (prompt.history.length) nodes.push(await before(prompt));
    for (const number of prompt.turns.keys()) nodes.push(...(await turn(item, prompt, number)));
    if (current === item) $("reading").replaceChildren(...nodes);
  }

  const link = (item) => ["read", data.prompts[item.prompt].id, item.a, item.b].map(encodeURIComponent).join("/");
  function fromHash(scroll) {
    const hash = location.hash.slice(1);
    const found = hash.startsWith("read/") && data.items.find((item) => link(item) === hash);
    if (!found) return false;
    current = found;
    if (!shown.includes(found)) { reset(); list(); }
    open(found, false);
    if (scroll) $("read").scrollIntoView();
    return true;
  }

  function move(step) {
    if (!shown.length) return;
    const at = shown.indexOf(current);
    open(shown[Math.min(shown.length - 1, Math.max(0, at + step))], true);
  }

  function reset() {
    for (const id of CHOICES) $(id).value = "all";
    for (const id of MARKS) $(id).checked = false;
    $("search").value = "";
    hits = null;
  }

  // ---- Search: every text is opened once, a piece at a time --------------------------------------
  async function search() {
    const query = $("search").value.trim().toLowerCase(), found = new Uint8Array(data.kept);
    const goOn = () => query === $("search").value.trim().toLowerCase();
    if (!query) { hits = null; list(); return; }
    $("count").textContent = "searching …";
    await texts.each((number, text) => { if (text.toLowerCase().includes(query)) found[number] = 1; }, goOn);
    if (goOn()) { hits = found; list(); }
  }

  // ---- Keys -------------------------------------------------------------------------------------
  const again = () => { if (current) open(current, false); };
  for (const id of [...CHOICES, ...MARKS]) $(id).addEventListener("input", list);
  for (const id of ["raw", "compared"]) $(id).addEventListener("input", again);
  $("search").addEventListener("input", search);
  $("reset").addEventListener("click", () => { reset(); list(); });
  $("next").addEventListener("click", () => move(1));
  $("previous").addEventListener("click", () => move(-1));
  $("show-keys").addEventListener("click", () => $("keys").showModal());
  $("list").addEventListener("scroll", () => {
    if ($("list").scrollTop + 3 * $("list").clientHeight > $("list").scrollHeight && made < shown.length) more(0);
  });
  $("items").addEventListener("keydown", (event) => {
    const at = shown.findIndex((item) => item.button === event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: made - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    if (to >= made) more(to + 1);
    shown[Math.min(shown.length - 1, Math.max(0, to))].button.focus();
  });
  const KEYS = {
    j: () => move(1), ArrowRight: () => move(1), k: () => move(-1), ArrowLeft: () => move(-1),
    "/": () => $("search").focus(), "?": () => $("keys").showModal(), r: () => $("raw").click(), d: () => $("compared").click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    if (!KEYS[event.key] || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
    // In what scrolls sideways arrows scroll.
    if (event.key.startsWith("Arrow") && event.target.closest?.('[role="group"], nav')) return;
    if (event.key.length === 1) event.preventDefault();
    KEYS[event.key]();
  });
  window.addEventListener("hashchange", () => fromHash(true));
  list();
  fromHash(true);
});

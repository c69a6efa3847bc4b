"use strict";
// Every text from a model or a judge becomes a text node: nothing here ever parses HTML.
(() => {
  const source = document.getElementById("room-data");
  if (!source) return;
  // A mark that turns the direction of writing round is shown, not obeyed.
  const turns = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
  const code = (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const shownText = (text) => text.replace(/\r\n/g, "\n").replace(turns, code);
  const data = JSON.parse(source.textContent, (key, value) =>
    typeof value === "string" ? shownText(value) : value);
  const $ = (id) => document.getElementById(id);

  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    for (const child of children) node.append(child);
    return node;
  }

  // What may scroll can be reached and scrolled by keys alone.
  function scrolling(node, label) {
    node.tabIndex = 0;
    node.setAttribute("role", "group");
    node.setAttribute("aria-label", label);
    return node;
  }

  // ---- Markdown and a little LaTeX, as nodes ------------------------------------------------
  // Bounded repetitions keep a line of 100,000 characters from costing quadratic time.
  const INLINE = new RegExp([
    "`[^`\\n]{1,2000}`", "\\*\\*[^*\\n]{1,2000}\\*\\*", "\\*[^*\\s][^*\\n]{0,2000}\\*",
    "\\\\\\([^\\n]{1,400}?\\\\\\)", "\\\\\\[[^]{1,800}?\\\\\\]",
    "\\$\\$[^$]{1,800}\\$\\$", "\\$[^$\\s](?:[^$\\n]{0,300}[^$\\s])?\\$(?!\\d)",
  ].map((one) => `(?:${one})`).join("|"), "g");
  const SIGNS = {
    times: "×", cdot: "·", div: "÷", le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠", pm: "±",
    approx: "≈", infty: "∞", pi: "π", alpha: "α", beta: "β", theta: "θ", lambda: "λ", mu: "μ", sigma: "σ",
    sum: "∑", int: "∫", to: "→", rightarrow: "→", Rightarrow: "⇒", in: "∈", ldots: "…", cdots: "…", dots: "…",
    quad: " ", qquad: "  ", left: "", right: "", displaystyle: "", log: "log", ln: "ln", sin: "sin", cos: "cos",
  };
  const UP = { 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹", n: "ⁿ" };
  const DOWN = { 0: "₀", 1: "₁", 2: "₂", 3: "₃", 4: "₄", 5: "₅", 6: "₆", 7: "₇", 8: "₈", 9: "₉", n: "ₙ", i: "ᵢ" };

  function mathText(text) {
    let before;
    do {
      before = text;
      text = text
        .replace(/\\[dt]?frac\{([^{}]{0,200})\}\{([^{}]{0,200})\}/g, (_, up, down) =>
          `${/^\w+$/.test(up) ? up : `(${up})`}/${/^\w+$/.test(down) ? down : `(${down})`}`)
        .replace(/\\sqrt\{([^{}]{0,200})\}/g, "√($1)")
        .replace(/\\(?:text|mathrm|mathbf|operatorname|boxed)\{([^{}]{0,300})\}/g, "$1");
    } while (text !== before);
    return text
      .replace(/\\([a-zA-Z]{1,14})/g, (all, name) => SIGNS[name] ?? all)
      .replace(/\^\{?([0-9n])\}?/g, (_, sign) => UP[sign])
      .replace(/_\{?([0-9ni])\}?/g, (_, sign) => DOWN[sign])
      .replace(/\\[,;:! ]/g, " ").replace(/\\([%$#&_{}])/g, "$1");
  }

  function math(text) {
    const node = make("span", "math", mathText(text));
    if (/\\boxed/.test(text)) node.classList.add("boxed");
    return node;
  }

  function inline(parent, text) {
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      const found = match[0];
      parent.append(text.slice(at, match.index));
      at = match.index + found.length;
      if (found[0] === "`") parent.append(make("code", "", found.slice(1, -1)));
      else if (found.startsWith("**")) inline(parent.appendChild(make("strong")), found.slice(2, -2));
      else if (found[0] === "*") inline(parent.appendChild(make("em")), found.slice(1, -1));
      else if (found.startsWith("$$") || found[0] === "\\") parent.append(math(found.slice(2, -2)));
      else parent.append(math(found.slice(1, -1)));
    }
    parent.append(text.slice(at));
    return parent;
  }

  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  // A table of thousands of columns takes a browser minutes to lay out; such lines stay text.
  const isTable = (head, rule) => head.includes("|") && /^[\s|:-]{3,300}$/.test(rule)
    && rule.includes("-") && cells(head).length <= 60;
  const ITEM = /^( {0,12}|\t{0,3})([-*+•]|\d{1,4}[.)])\s+/;

  function markdown(text) {
    const root = make("div", "md"), lines = text.split("\n");
    let paragraph = null, list = null;
    const close = () => { paragraph = list = null; };
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i], item = ITEM.exec(line);
      if (/^\s{0,3}(```|~~~)/.test(line)) {
        const mark = line.trim().slice(0, 3), code = [];
        while (++i < lines.length && !lines[i].trim().startsWith(mark)) code.push(lines[i]);
        root.append(scrolling(make("pre", "", make("code", "", code.join("\n"))), "code"));
        close();
      } else if (/^#{1,6} /.test(line)) {
        inline(root.appendChild(make("p", "h")), line.replace(/^#+ /, ""));
        close();
      } else if (isTable(line, lines[i + 1] ?? "")) {
        const table = make("table"), head = table.createTHead().insertRow();
        for (const cell of cells(line)) inline(head.appendChild(make("th", "text")), cell);
        const body = table.createTBody();
        for (i += 2; i < lines.length && lines[i].includes("|"); i++) {
          const row = body.insertRow();
          for (const cell of cells(lines[i]).slice(0, 60)) inline(row.appendChild(make("td", "text")), cell);
        }
        i--;
        root.append(make("div", "scroll", table));
        close();
      } else if (item) {
        if (!list) { list = root.appendChild(make("ul")); paragraph = null; }
        const depth = Math.min(2, Math.floor(item[1].replace(/\t/g, "    ").length / 2));
        const sign = /\d/.test(item[2]) ? item[2] : "•";
        const entry = list.appendChild(make("li", depth ? `d${depth}` : "", `${sign} `));
        inline(entry, line.slice(item[0].length));
      } else if (/^>/.test(line)) {
        inline(root.appendChild(make("blockquote")), line.replace(/^>+ ?/, ""));
        close();
      } else if (!line.trim()) {
        close();
      } else {
        if (paragraph) paragraph.append(make("br"));
        else { paragraph = root.appendChild(make("p")); list = null; }
        inline(paragraph, line);
      }
    }
    return root;
  }

  // ---- The list -----------------------------------------------------------------------------
  const lowered = new Map();
  function haystack(item) {
    const parts = [`prompt ${item.prompt}`, `a ${item.a} ${item.prompt}`, `b ${item.b} ${item.prompt}`];
    const texts = [
      () => { const p = data.prompts[item.prompt]; return [p.id, p.category, ...p.turns, ...p.principles]; },
      () => data.answers[item.a]?.[item.prompt]?.turns ?? [],
      () => data.answers[item.b]?.[item.prompt]?.turns ?? [],
    ];
    const found = parts.map((key, i) => {
      const shared = key.replace(/^[ab] /, "answer ");
      if (!lowered.has(shared)) lowered.set(shared, texts[i]().join("\n").toLowerCase());
      return lowered.get(shared);
    });
    item.words ??= item.turns.flatMap((t) => t.verdicts.map((v) => v.text)).join("\n").toLowerCase();
    return [...found, item.words];
  }

  const NAMES = { a: "win-a", b: "win-b", tie: "win-tie", none: "win-none" };
  const kind = (score) => (score === null ? "none" : score > 0.5 ? "a" : score < 0.5 ? "b" : "tie");
  function outcomeText(item, score) {
    const what = kind(score);
    if (what === "none") return "no verdict";
    return what === "tie" ? "tie" : `${what === "a" ? item.a : item.b} wins`;
  }

  function matches(item) {
    const outcome = $("outcome").value, query = $("search").value.trim().toLowerCase();
    if ($("pair").value !== "all" && item.pair !== Number($("pair").value)) return false;
    if ($("category").value !== "all" && data.prompts[item.prompt].category !== $("category").value) return false;
    if (outcome !== "all" && !item.turns.some((turn) => kind(turn.outcome) === outcome)) return false;
    for (const mark of ["inconsistent", "unparsed", "longer"])
      if ($(mark).checked && !item.turns.some((turn) => turn[mark])) return false;
    return !query || haystack(item).some((text) => text.includes(query));
  }

  let shown = [], current = null;
  function list() {
    shown = data.items.filter(matches);
    $("count").textContent = `${shown.length} of ${data.items.length}`;
    const rows = document.createDocumentFragment();
    for (const item of shown) {
      const prompt = data.prompts[item.prompt], button = make("button");
      button.type = "button";
      button.append(`${prompt.id} `, make("span", "what", prompt.category));
      if (data.pairs.length > 1 || item.a !== data.pairs[item.pair][0])
        button.append(make("span", "what", `${item.a} : ${item.b}`));
      for (const turn of item.turns) {
        const chip = make("span", `chip ${NAMES[kind(turn.outcome)]}`, `${turn.turn + 1}: ${outcomeText(item, turn.outcome)}`);
        button.append(chip);
      }
      button.addEventListener("click", () => open(item, true));
      item.button = button;
      rows.append(make("li", "", button));
    }
    $("items").replaceChildren(rows);
    if (current && shown.includes(current)) current.button.setAttribute("aria-current", "true");
  }

  // ---- One question ---------------------------------------------------------------------------
  let raw = false;
  const text = (words) => (raw ? scrolling(make("pre", "raw", words), "raw text") : markdown(words));

  function side(item, which, number) {
    const name = item[which], answer = data.answers[name]?.[item.prompt];
    const size = answer?.tokens?.[number] != null ? `${answer.tokens[number]} tokens` : `${(answer?.turns[number] ?? "").length} characters`;
    const cut = answer?.cut?.[number] ? ", cut at the token limit" : "";
    const head = make("h4", "", `${which.toUpperCase()} · ${name} `, make("span", "soft", `(${size}${cut})`));
    return make("section", `side ${which}`, head, answer ? text(answer.turns[number] ?? "") : "not recorded");
  }

  function verdict(item, one) {
    const order = one.first === null ? "order not recorded" : `${item[one.first]} shown first`;
    const what = one.winner ?? "none";
    const winner = one.winner === null ? `no verdict: ${one.reason ?? "unknown"}` : outcomeText(item, { a: 1, b: 0, tie: 0.5 }[what]);
    const score = one.score === null ? "" : ` (score ${Number(one.score.toFixed(3))})`;
    const repeat = one.repeat ? `, repeat ${one.repeat + 1}` : "";
    const head = make("h4", "", `${one.judge}, ${order}${repeat}: `, make("span", NAMES[what], winner + score));
    const words = scrolling(make("div", "words", one.text), "what the judge said");
    if (!one.thoughts) return make("section", "verdict", head, words);
    const thoughts = scrolling(make("div", "words", one.thoughts), "what the judge thought");
    return make("section", "verdict", head, words, make("details", "", make("summary", "", "thoughts"), thoughts));
  }

  // scrollIntoView would move the page too.
  function keepInView(button) {
    const box = button.closest(".list");
    const top = button.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + button.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = top + button.offsetHeight - box.clientHeight;
  }

  function open(item, remember) {
    current?.button?.removeAttribute("aria-current");
    current = item;
    item.button?.setAttribute("aria-current", "true");
    if (item.button) keepInView(item.button);
    const prompt = data.prompts[item.prompt], page = document.createDocumentFragment();
    page.append(make("h3", "", `${prompt.id} · ${prompt.category} · ${item.a} : ${item.b}`));
    if (prompt.principles.length)
      page.append(make("p", "soft", `principles: ${prompt.principles.join(" · ")}`));
    prompt.turns.forEach((words, number) => {
      const judged = item.turns.find((turn) => turn.turn === number);
      page.append(make("div", "prompt", make("strong", "", `Turn ${number + 1}`), markdown(words)));
      if (prompt.reference[number]) {
        const more = make("details", "", make("summary", "", "reference answer"), text(prompt.reference[number]));
        page.append(more);
      }
      page.append(make("div", "pair", side(item, "a", number), side(item, "b", number)));
      if (!judged) return;
      const marks = ["inconsistent", "unparsed"].filter((mark) => judged[mark]);
      const head = make("p", "", make("strong", NAMES[kind(judged.outcome)], outcomeText(item, judged.outcome)));
      if (marks.length) head.append(make("span", "soft", `  (${marks.join(", ")})`));
      page.append(head, make("div", "verdicts", ...judged.verdicts.map((one) => verdict(item, one))));
    });
    $("reading").replaceChildren(page);
    $("where").textContent = shown.includes(item) ? `${shown.indexOf(item) + 1} of ${shown.length}` : "";
    if (remember) history.replaceState(null, "", `#${link(item)}`);
  }

  const link = (item) => ["read", data.prompts[item.prompt].id, item.a, item.b].map(encodeURIComponent).join("/");
  function fromHash(scroll) {
    const hash = location.hash.slice(1);
    const found = hash.startsWith("read/") && data.items.find((item) => link(item) === hash);
    if (!found) return false;
    if (!shown.includes(found)) { reset(); list(); }
    open(found, false);
    if (scroll) $("read").scrollIntoView();
    return true;
  }

  function move(step) {
    if (!shown.length) return;
    const at = shown.indexOf(current);
    open(shown[Math.min(shown.length - 1, Math.max(0, at < 0 ? 0 : at + step))], true);
  }

  function reset() {
    for (const id of ["pair", "category", "outcome"]) $(id).value = "all";
    for (const id of ["inconsistent", "unparsed", "longer"]) $(id).checked = false;
    $("search").value = "";
  }

  for (const id of ["pair", "category", "outcome", "inconsistent", "unparsed", "longer", "search"])
    $(id).addEventListener("input", list);
  $("reset").addEventListener("click", () => { reset(); list(); });
  $("raw").addEventListener("input", () => { raw = $("raw").checked; if (current) open(current, false); });
  $("next").addEventListener("click", () => move(1));
  $("previous").addEventListener("click", () => move(-1));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "j" || event.key === "ArrowRight") move(1);
    else if (event.key === "k" || event.key === "ArrowLeft") move(-1);
    else if (event.key === "/") { event.preventDefault(); $("search").focus(); }
  });
  setTimeout(() => data.items.forEach(haystack), 50); // so that the first search finds texts ready
  window.addEventListener("hashchange", () => fromHash(true));
  list();
  if (!fromHash(true) && shown.length) open(shown[0], false);
})();

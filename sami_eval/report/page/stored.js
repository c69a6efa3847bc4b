// What the page carries compressed, opened piece by piece when it is needed, and shown as nodes.
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

async function unpack(block) {
  const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

// Texts by number: as they were written, and as HTML where that is more than paragraphs.
function storedTexts(index) {
  const blocks = [...document.querySelectorAll("script.piece")], opened = new Map();
  const piece = (place) => {
    if (!opened.has(place)) opened.set(place, unpack(blocks[place]));
    return opened.get(place);
  };
  const placeOf = (number) => {
    let low = 0, high = index.starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (index.starts[middle] <= number) low = middle; else high = middle - 1;
    }
    return low;
  };
  return {
    // null: the page had no room for it.
    async get(number) {
      if (number >= index.kept) return null;
      const place = placeOf(number), found = (await piece(place))[number - index.starts[place]];
      return typeof found === "string" ? { source: found, html: null } : { source: found[0], html: found[1] };
    },
    // Calls back with (number, text as written) for every text, a piece at a time.
    async each(call, goOn) {
      for (let place = 0; place < blocks.length; place++) {
        const rows = await piece(place);
        if (!goOn()) return;
        rows.forEach((row, i) => call(index.starts[place] + i, typeof row === "string" ? row : row[0]));
      }
    },
  };
}

const HTML = "http://www.w3.org/1999/xhtml", MATHML = "http://www.w3.org/1998/Math/MathML";

// HTML that was made harmless where the page was written is read without running anything, and what
// stands on the page is built anew of the elements that are named, whatever it says.
function rebuilt(html, index) {
  const tags = new Set(index.tags), attributes = new Set(index.attributes);
  const copy = (from, to) => {
    for (const child of from.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) to.append(child.data);
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const known = tags.has(child.localName) && [HTML, MATHML].includes(child.namespaceURI);
      if (!known) { to.append(child.textContent); continue; }
      const node = document.createElementNS(child.namespaceURI, child.localName);
      for (const { name, value } of child.attributes) if (attributes.has(name)) node.setAttribute(name, value);
      copy(child, node);
      to.append(node);
    }
  };
  const root = make("div", "md");
  copy(new DOMParser().parseFromString(html, "text/html").body, root);
  reachable(root);
  return root;
}

// Code, tables and formulas may be wider than the text they stand in.
const SHORT = 25; // letters of a formula that any line has room for
function reachable(root) {
  for (const node of root.querySelectorAll("math:not([display=block])")) {
    if (node.textContent.length <= SHORT && !node.querySelector("mspace, mpadded")) continue;
    const box = make("span", "formula");
    node.replaceWith(box);
    box.append(node);
    scrolling(box, "formula");
  }
  for (const node of root.querySelectorAll("pre, table, math[display=block]")) {
    const box = make("div", "scroll");
    node.replaceWith(box);
    box.append(node);
    scrolling(box, { pre: "code", table: "table" }[node.localName] ?? "formula");
  }
}

function paragraphs(source) {
  const root = make("div", "md");
  for (const one of source.split(/\n[ \t]*\n\s*/)) if (one.trim()) root.append(make("p", "", one.trim()));
  return root;
}

// ---- Two texts, word by word ---------------------------------------------------------------------
const MOST_CELLS = 6e6; // of the table that finds what two texts share
const wordsOf = (text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];

// For each word of both whether the other has it too, in the same order; null: too long to say.
function shared(a, b) {
  const keptA = new Uint8Array(a.length), keptB = new Uint8Array(b.length);
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) keptA[start] = keptB[start++] = 1;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) keptA[--endA] = keptB[--endB] = 1;
  const rows = endA - start, columns = endB - start;
  if (rows * columns > MOST_CELLS) return null;
  const width = columns + 1, longest = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--)
    for (let j = columns - 1; j >= 0; j--)
      longest[i * width + j] = a[start + i] === b[start + j] ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  for (let i = 0, j = 0; i < rows && j < columns;) {
    if (a[start + i] === b[start + j]) keptA[start + i++] = keptB[start + j++] = 1;
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
    else j++;
  }
  return [keptA, keptB];
}

function marked(words, kept) {
  const root = make("div", "compared");
  for (let i = 0; i < words.length;) {
    const same = kept[i];
    let run = "";
    while (i < words.length && kept[i] === same) run += words[i++];
    root.append(same ? run : make("mark", "", run));
  }
  return root;
}

// What every page has: its colours, its figures to take away, and tables that can be copied.
const THEMES = ["system", "light", "dark"];

function useTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

// A browser may refuse a page from disk its storage.
function remembered(name) {
  try {
    if (name) localStorage.setItem("sami-eval-theme", name);
    return localStorage.getItem("sami-eval-theme");
  } catch { return name ?? null; }
}

const chosenTheme = THEMES.includes(remembered()) ? remembered() : "system";
useTheme(chosenTheme);

async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch { button.textContent = "not allowed here"; }
  setTimeout(() => { button.textContent = before; }, 1500);
}

function tableText(table) {
  const shown = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
  const isFigure = (cell) => !cell.classList.contains("drawn");
  return [...table.rows].map((row) => [...row.cells].filter(isFigure).map(shown).join("\t")).join("\n");
}

function download(name, text) {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

document.addEventListener("DOMContentLoaded", () => {
  $("tools").hidden = false;
  $("theme").value = chosenTheme;
  $("theme").addEventListener("input", () => { useTheme($("theme").value); remembered($("theme").value); });
  for (const block of document.querySelectorAll("script.file")) {
    const button = make("button", "", `download ${block.dataset.name.split(".").pop().toUpperCase()}`);
    button.type = "button";
    button.addEventListener("click", async () => download(block.dataset.name, await unpack(block)));
    $("tools").append(button);
  }
  document.querySelectorAll(".md").forEach(reachable);
  for (const table of document.querySelectorAll("table.figures")) {
    const button = make("button", "copy", "copy table");
    button.type = "button";
    button.addEventListener("click", () => copyText(tableText(table), button));
    table.parentElement.after(button);
  }
});

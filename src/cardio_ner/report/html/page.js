"use strict";
// The page's state and what all parts share: theme, data, filters, the table of mentions. reader.js follows in the same
// script. Text of records reaches the page as text nodes only (`append` with strings): never as markup.
//
// The data: { types: [name], languages: [code],
//   groups: [{ type, language, text, examples: [[record, before, mention, after]] }],       mentions that are the same
//   records: [{ id, language, outcome, without, mentions: [[group, score]], pieces: [[text, mention…]] }] }

const byId = (id) => document.getElementById(id);

/** An element with attributes; children are elements, or strings, which become text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Small letters without accents, so that "fibrilacion" finds "Fibrilación". */
const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const counted = (number, name) => `${number.toLocaleString("en")} ${name}${number === 1 ? "" : "s"}`;

// ── theme ────────────────────────────────────────────────────────────────────────────────────────────────────────────
const root = document.documentElement;
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { byId("theme").textContent = isDark() ? "Light theme" : "Dark theme"; };

byId("theme").hidden = false;
byId("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
systemIsDark.addEventListener("change", nameTheme);
nameTheme();

// ── data and filters ─────────────────────────────────────────────────────────────────────────────────────────────────
const data = byId("data") ? JSON.parse(byId("data").textContent) : null;
const colours = 6;
const shownAtFirst = 12;
const state = { types: new Set(), languages: new Set(), least: 0, search: "", rows: shownAtFirst };

const typeClass = (type) => `type${type % colours}`;
const typeName = (type) => data.types[type].toLowerCase();
const groupOf = (mention) => data.groups[mention[0]];
const languagePasses = (record) => state.languages.has(record.language);

function passes(mention) {
  const group = groupOf(mention);
  return state.types.has(group.type) && (mention[1] ?? 1) >= state.least && group.folded.includes(state.search);
}

function chip(container, label, name, chosen, value) {
  const box = element("input", { type: "checkbox", checked: true });
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(value);
    else chosen.delete(value);
    show();
  });
  container.append(element("label", { class: `chip ${name}` }, box, label));
  chosen.add(value);
}

function prepareFilters() {
  for (const group of data.groups) group.folded = fold(group.text);
  data.types.forEach((name, type) => chip(byId("filter-types"), typeName(type), typeClass(type), state.types, type));
  for (const code of data.languages) chip(byId("filter-languages"), code, "", state.languages, code);
  byId("least").addEventListener("input", readFields);
  byId("search").addEventListener("input", readFields);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("show-all").addEventListener("click", () => {
    byId("filters").reset();
    data.types.forEach((_, type) => state.types.add(type));
    for (const code of data.languages) state.languages.add(code);
    readFields();
  });
  byId("more").addEventListener("click", () => {
    const next = state.rows;
    state.rows += 50;
    showTable();
    byId("mentions-table").tBodies[0].rows[next]?.querySelector("button")?.focus();
  });
  byId("filters").hidden = false;
}

function readFields() {
  state.least = Number(byId("least").value);
  state.search = fold(byId("search").value.trim());
  state.rows = shownAtFirst;
  byId("least-shown").textContent = state.least.toFixed(2);
  show();
}

// ── the table of mentions ────────────────────────────────────────────────────────────────────────────────────────────
/** Groups with the mentions that pass, most frequent first. */
function frequent() {
  const found = new Map();
  data.records.forEach((record, place) => {
    if (!languagePasses(record)) return;
    for (const mention of record.mentions) {
      if (!passes(mention)) continue;
      const numbers = found.get(mention[0]) ?? { mentions: 0, records: new Set() };
      numbers.mentions += 1;
      numbers.records.add(place);
      found.set(mention[0], numbers);
    }
  });
  const rows = [...found].map(([place, numbers]) => ({ place, group: data.groups[place], ...numbers }));
  return rows.sort((a, b) => b.mentions - a.mentions || b.records.size - a.records.size
    || (a.group.folded < b.group.folded ? -1 : 1));
}

function exampleCell({ place, group }) {
  const cell = element("td", { class: "example" });
  for (const [record, before, mention, after] of group.examples) {
    const open = element("button", { type: "button", class: "link", title: "Open in the reader" }, data.records[record].id);
    open.addEventListener("click", () => openAt(record, place));
    const said = element("q", { lang: group.language }, before, element("mark", { class: typeClass(group.type) }, mention), after);
    cell.append(element("p", {}, said, " ", open));
  }
  return cell;
}

function showTable() {
  const rows = frequent();
  const body = byId("mentions-table").tBodies[0];
  body.replaceChildren(...rows.slice(0, state.rows).map((row) => element("tr", {},
    element("th", { scope: "row", lang: row.group.language }, row.group.text),
    element("td", {}, element("span", { class: `tag ${typeClass(row.group.type)}` }, typeName(row.group.type))),
    element("td", {}, row.group.language),
    element("td", { class: "number" }, row.mentions.toLocaleString("en")),
    element("td", { class: "number" }, row.records.size.toLocaleString("en")),
    exampleCell(row))));
  if (!rows.length) body.append(element("tr", {}, element("td", { colspan: "6", class: "empty" }, "No mention passes the filters.")));
  byId("more").hidden = rows.length <= state.rows;
  const mentions = rows.reduce((sum, row) => sum + row.mentions, 0);
  byId("told").textContent = `${counted(mentions, "mention")}, ${rows.length.toLocaleString("en")} different`;
}


// ── the reader ───────────────────────────────────────────────────────────────────────────────────────────────────────
const reading = { record: 0, mention: -1 };
/** The mentions of the open record that are shown, in reading order. */
let shownMentions = [];

const isListed = (record) => languagePasses(record) && (!state.search || record.mentions.some(passes));
const listed = () => data.records.map((_, place) => place).filter((place) => isListed(data.records[place]));

function showRecords() {
  const places = listed();
  if (!places.includes(reading.record) && places.length) Object.assign(reading, { record: places[0], mention: -1 });
  byId("records").replaceChildren(...places.map((place) => {
    const record = data.records[place];
    const here = place === reading.record;
    const button = element("button",
      { type: "button", "data-place": place, tabindex: here ? "0" : "-1", "aria-current": here ? "true" : "false" },
      element("span", { class: "name" }, record.id),
      element("span", { class: "count", "aria-label": counted(record.mentions.filter(passes).length, "mention") },
        String(record.mentions.filter(passes).length)));
    button.addEventListener("click", () => openRecord(place));
    return element("li", {}, button);
  }));
  if (!places.length) byId("records").append(element("li", { class: "empty" }, "No record passes the filters."));
}

/** How deep below the text a mention's line runs: under those that it holds. */
function levels(record, shown) {
  const extent = new Map(shown.map((mention) => [mention, { pieces: new Set(), length: 0 }]));
  record.pieces.forEach(([text, ...covering], piece) => covering.forEach((mention) => {
    extent.get(mention)?.pieces.add(piece);
    if (extent.has(mention)) extent.get(mention).length += text.length;
  }));
  const level = new Map();
  for (const mention of [...shown].sort((a, b) => extent.get(a).length - extent.get(b).length || b - a)) {
    const below = [...level.keys()].filter((other) => [...extent.get(other).pieces].some((piece) => extent.get(mention).pieces.has(piece)));
    level.set(mention, Math.min(3, 1 + Math.max(-1, ...below.map((other) => level.get(other)))));
  }
  return level;
}

/** A piece of the text within its mentions, the longest outside; the type's name follows where a mention ends. */
function pieceNode(record, [text, ...covering], level, last, piece) {
  let node = document.createTextNode(text);
  for (const mention of covering.filter((place) => level.has(place)).reverse()) {
    const { type } = groupOf(record.mentions[mention]);
    const attributes = { class: `${typeClass(type)} level${level.get(mention)}`, "data-mention": mention, title: describe(record, mention) };
    node = element("mark", attributes, node);
    if (last.get(mention) === piece) node.append(element("span", { class: "kind", lang: "en" }, ` ${typeName(type)} `));
  }
  return node;
}

function describe(record, mention) {
  const [, score] = record.mentions[mention];
  return `${typeName(groupOf(record.mentions[mention]).type)}${score === null ? "" : `, score ${score.toFixed(2)}`}`;
}

function textNodes(record) {
  const last = new Map();
  record.pieces.forEach(([, ...covering], piece) => covering.forEach((mention) => last.set(mention, piece)));
  const level = levels(record, shownMentions);
  return record.pieces.map((piece, place) => pieceNode(record, piece, level, last, place));
}

/** What stands in the place of a text that is not here: why, and the mentions. */
function withoutText(record) {
  const rows = shownMentions.map((mention) => element("li", { "data-mention": mention },
    element("span", { lang: record.language }, groupOf(record.mentions[mention]).text), " ",
    element("span", { class: `tag ${typeClass(groupOf(record.mentions[mention]).type)}` }, describe(record, mention))));
  return [element("p", { class: "why" }, record.without), element("ul", { class: "listed" }, ...rows)];
}

function showRecord() {
  const record = data.records[reading.record];
  const hidden = !record || !isListed(record);
  shownMentions = hidden ? [] : [...record.mentions.keys()].filter((place) => passes(record.mentions[place]));
  byId("record-title").textContent = hidden ? "No record" : record.id;
  const facts = hidden ? [] : [record.language, record.outcome, counted(shownMentions.length, "mention")];
  byId("record-facts").textContent = facts.join(" · ");
  byId("text").lang = hidden ? "en" : record.language;
  byId("text").replaceChildren(...(hidden ? [] : record.without ? withoutText(record) : textNodes(record)));
  byId("text").scrollTop = 0;
  byId("record-before").disabled = hidden || listed()[0] === reading.record;
  byId("record-after").disabled = hidden || listed().at(-1) === reading.record;
  for (const id of ["mention-before", "mention-after"]) byId(id).disabled = !shownMentions.length;
  if (reading.mention >= 0) goTo(reading.mention);
}

function goTo(mention) {
  reading.mention = shownMentions.includes(mention) ? mention : -1;
  for (const old of byId("text").querySelectorAll(".current")) old.classList.remove("current");
  if (reading.mention < 0) return;
  const parts = byId("text").querySelectorAll(`[data-mention="${mention}"]`);
  for (const part of parts) part.classList.add("current");
  const [first] = parts;
  const text = byId("text");
  text.scrollTop += first.getBoundingClientRect().top - text.getBoundingClientRect().top - text.clientHeight / 3;
  const record = data.records[reading.record];
  byId("mention-told").textContent = `Mention ${shownMentions.indexOf(mention) + 1} of ${shownMentions.length}: `
    + `${groupOf(record.mentions[mention]).text}, ${describe(record, mention)}`;
}

function stepMention(step) {
  if (!shownMentions.length) return;
  const now = shownMentions.indexOf(reading.mention);
  const next = now < 0 ? (step > 0 ? 0 : -1) : now + step;
  goTo(shownMentions.at(next % shownMentions.length));
}

function openRecord(place) {
  Object.assign(reading, { record: place, mention: -1 });
  for (const button of byId("records").querySelectorAll("button")) {
    const here = Number(button.dataset.place) === place;
    button.setAttribute("aria-current", String(here));
    button.tabIndex = here ? 0 : -1;
    if (here) byId("records").scrollTop = button.offsetTop - byId("records").clientHeight / 2;
  }
  showRecord();
}

function stepRecord(step) {
  const places = listed();
  const next = places[places.indexOf(reading.record) + step];
  if (next !== undefined) openRecord(next);
}

/** Open a record at its first shown mention of a group. */
function openAt(place, group) {
  openRecord(place);
  const mention = shownMentions.find((each) => data.records[place].mentions[each][0] === group);
  byId("reader").scrollIntoView({ block: "start" });
  byId("record-title").focus({ preventScroll: true });
  if (mention !== undefined) goTo(mention);
}

const textKeys = { n: () => stepMention(1), p: () => stepMention(-1), "]": () => stepRecord(1), "[": () => stepRecord(-1) };
const listKeys = { ArrowDown: 1, ArrowUp: -1 };

function prepareReader() {
  byId("record-before").addEventListener("click", () => stepRecord(-1));
  byId("record-after").addEventListener("click", () => stepRecord(1));
  byId("mention-before").addEventListener("click", () => stepMention(-1));
  byId("mention-after").addEventListener("click", () => stepMention(1));
  byId("text").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || !(event.key in textKeys)) return;
    event.preventDefault();
    textKeys[event.key]();
  });
  byId("records").addEventListener("keydown", (event) => {
    if (!(event.key in listKeys)) return;
    event.preventDefault();
    stepRecord(listKeys[event.key]);
    byId("records").querySelector("[aria-current=true]")?.focus({ preventScroll: true });
  });
}

function show() {
  showTable();
  showRecords();
  showRecord();
}

if (data) {
  prepareFilters();
  prepareReader();
  show();
}

"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const STREAMS = Object.keys(data.streams);
const CLASSES = data.classes.length;
const COUNT = data.ids.length;
const NAMES = { spatial: "the spatial stream", temporal: "the temporal stream", fused: "the fusion" };
const DEFAULTS = { stream: "fused", truth: "", said: "", result: "", sure: "", text: "", order: "", clip: "" };
const SURE = 0.8, UNSURE = 0.5;
const DOUBT = 0.3; // the answer's score minus that of the true class, from which on a label should be checked
const TIE = 0.15; // the same difference, up to which it is nearly a tie
const PAGE = 24; // clips that are added at a time
const PAIRS = 30;
const TICK = 130; // milliseconds a frame
const HOLD = 4; // ticks for which the last frame stays
const collator = new Intl.Collator("en", { numeric: true });

let state = { ...DEFAULTS };
let limit = PAGE;
let matching = []; // indices of the clips that pass the filters, in order
let opener = null; // cell or pair from which clips were opened, to which Escape returns
let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
let tick = 8; // in the middle of a clip, where a page that does not move should stand still

// Small tools

const find = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Names often differ at their ends: the middle goes. */
function shorten(name, length) {
  if (name.length > length) name = name.replace(/something/gi, (word) => (word[0] === "S" ? "Sth" : "sth"));
  const end = Math.floor(length / 2);
  return name.length > length ? `${name.slice(0, length - end - 1).trimEnd()}…${name.slice(-end).trimStart()}` : name;
}

const answer = (stream, clip) => data.streams[stream].best[clip][0];
const score = (stream, clip) => data.streams[stream].scores[clip][0];
const isRight = (stream, clip) => answer(stream, clip) === data.truth[clip];
const className = (index) => data.classes[index];

function countAnswers(stream) {
  const counts = new Uint32Array(CLASSES * CLASSES);
  for (let clip = 0; clip < COUNT; clip++) counts[data.truth[clip] * CLASSES + answer(stream, clip)]++;
  return counts;
}

// The state is in the address, so that a link opens the same clips

function readAddress() {
  const read = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const isClass = (value) => /^\d+$/.test(value ?? "") && Number(value) < CLASSES;
  state = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (name in read) state[name] = read[name];
  if (!STREAMS.includes(state.stream)) state.stream = DEFAULTS.stream;
  for (const name of ["truth", "said"]) if (!isClass(state[name])) state[name] = "";
  if (!/^\d+$/.test(state.clip) || Number(state.clip) >= COUNT) state.clip = "";
}

function writeAddress() {
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  history.replaceState(null, "", `#${new URLSearchParams(changed)}`);
}

// Filters

const ORDERS = {
  "": (stream) => (clip) => (isRight(stream, clip) ? 1 + score(stream, clip) : -score(stream, clip)),
  label: () => (clip) => data.streams.fused.truth[clip] - score("fused", clip), // whichever stream is shown
  unsure: (stream) => (clip) => score(stream, clip),
};

function matches(clip) {
  const { stream, truth, said, result, sure, text } = state;
  const best = score(stream, clip);
  return (
    (truth === "" || data.truth[clip] === Number(truth)) &&
    (said === "" || answer(stream, clip) === Number(said)) &&
    (result === "" || (result === "right") === isRight(stream, clip)) &&
    (sure === "" || (best >= SURE ? "high" : best < UNSURE ? "low" : "middle") === sure) &&
    (text === "" || searchable(clip).includes(text.toLowerCase()))
  );
}

const searchable = (clip) =>
  [data.ids[clip], className(data.truth[clip]), data.groups[clip], data.paths[clip]].join("\n").toLowerCase();

function chooseClips() {
  matching = [...Array(COUNT).keys()].filter(matches);
  if (state.order === "id") return matching.sort((a, b) => collator.compare(data.ids[a], data.ids[b]));
  const key = (ORDERS[state.order] ?? ORDERS[""])(state.stream);
  const keys = new Map(matching.map((clip) => [clip, key(clip)]));
  return matching.sort((a, b) => keys.get(a) - keys.get(b) || a - b);
}

function change(values) {
  const streamChanges = "stream" in values && values.stream !== state.stream;
  state = { ...state, ...values };
  limit = PAGE;
  writeAddress();
  if (streamChanges) showConfusion();
  showClips();
}

// Confusion: tabs, pairs, matrix

function showTabs() {
  const tabs = STREAMS.map((stream) => {
    const right = data.truth.filter((_, clip) => isRight(stream, clip)).length;
    const tab = make("button", { type: "button", id: `tab-${stream}`, role: "tab", className: stream });
    tab.append(make("b", {}, stream), ` ${percent(right / COUNT)} right`);
    tab.setAttribute("aria-controls", "panel");
    tab.addEventListener("click", () => change({ stream, said: "", truth: "" }));
    return tab;
  });
  find("tabs").append(...tabs);
  find("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
    next.focus();
    next.click();
  });
}

function showConfusion() {
  for (const tab of find("tabs").children) {
    const selected = tab.id === `tab-${state.stream}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
  }
  find("panel").setAttribute("aria-labelledby", `tab-${state.stream}`);
  const counts = countAnswers(state.stream);
  const totals = data.classes.map((_, row) => counts.subarray(row * CLASSES, (row + 1) * CLASSES).reduce((a, b) => a + b, 0));
  showPairs(counts, totals);
  showMatrix(counts, totals);
}

function showPairs(counts, totals) {
  const cells = [...counts.keys()].filter((cell) => counts[cell] && cell % (CLASSES + 1));
  cells.sort((a, b) => counts[b] - counts[a] || a - b);
  const items = cells.slice(0, PAIRS).map((cell) => {
    const [truth, said] = [Math.floor(cell / CLASSES), cell % CLASSES];
    const button = make("button", { type: "button" });
    button.dataset.cell = cell;
    button.append(
      make("span", {}, className(truth)),
      make("span", { className: "said" }, `→ ${className(said)}`),
      make("span", { className: "number" }, make("b", {}, counts[cell]), ` of ${totals[truth]}`),
    );
    button.setAttribute("aria-label", `${className(truth)}, answered as ${className(said)}: ${counts[cell]} of ${plural(totals[truth], "clip")}`);
    button.addEventListener("click", () => openCell(truth, said, button));
    return make("li", {}, button);
  });
  if (!items.length) items.push(make("li", { className: "hint" }, `None: ${NAMES[state.stream]} gets every clip right.`));
  find("pairs").replaceChildren(...items);
}

function showMatrix(counts, totals) {
  const table = make("table", { role: "grid" });
  table.setAttribute("aria-label", `Confusion matrix of ${NAMES[state.stream]}`);
  table.setAttribute("aria-describedby", "matrix-hint");
  table.style.setProperty("--cell", CLASSES <= 16 ? "2.3rem" : "1.5rem");
  const heads = data.classes.map((name) => make("th", { scope: "col", title: name }, make("span", {}, shorten(name, 42))));
  const corner = make("td");
  table.append(make("thead", {}, make("tr", {}, corner, ...heads)));
  const body = make("tbody");
  for (let row = 0; row < CLASSES; row++) {
    const line = make("tr", {}, make("th", { scope: "row", title: className(row) }, shorten(className(row), 42)));
    for (let column = 0; column < CLASSES; column++) {
      const number = counts[row * CLASSES + column];
      const cell = make("td", { tabIndex: -1 });
      if (number) {
        const share = number / totals[row];
        cell.textContent = number;
        cell.className = `some ${row === column ? "right" : "wrong"}${share > 0.85 ? " strong" : share > 0.5 ? " medium" : ""}`;
        cell.style.setProperty("--share", `${Math.round(12 + 88 * share)}%`);
      }
      line.append(cell);
    }
    body.append(line);
  }
  table.append(body);
  const cellAt = (row, column) => body.rows[row]?.cells[column + 1];
  const placeOf = (cell) => [cell.parentNode.sectionRowIndex, cell.cellIndex - 1];
  const describe = (cell) => {
    const [truth, said] = placeOf(cell);
    return `${className(truth)}, answered as ${className(said)}: ${plural(counts[truth * CLASSES + said], "clip")} of ${totals[truth]}`;
  };
  const open = (cell) => cell.classList.contains("some") && openCell(...placeOf(cell), cell);
  const reach = (cell) => {
    for (const old of body.querySelectorAll('td[tabindex="0"]')) old.tabIndex = -1;
    cell.tabIndex = 0;
    cell.setAttribute("aria-label", describe(cell));
  };
  table.addEventListener("click", (event) => event.target.matches("tbody td") && open(event.target));
  for (const kind of ["mouseover", "focusin"]) {
    table.addEventListener(kind, (event) => {
      if (event.target.matches("tbody td")) find("cell").textContent = describe(event.target);
    });
  }
  table.addEventListener("keydown", (event) => {
    const cell = event.target;
    if (!cell.matches("tbody td")) return;
    const [row, column] = placeOf(cell);
    const moves = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [row, 0], End: [row, CLASSES - 1],
    };
    if (event.key === "Enter" || event.key === " ") open(cell);
    else if (!(event.key in moves)) return;
    event.preventDefault();
    const next = event.key in moves && moves[event.key][1] >= 0 && cellAt(...moves[event.key]);
    if (next) {
      reach(next);
      next.focus();
    }
  });
  reach(cellAt(0, 0));
  find("cell").textContent = ""; // it described a cell of the last matrix
  find("scroll").replaceChildren(table);
}

function openCell(truth, said, from) {
  opener = { truth, said, isPair: from.tagName === "BUTTON" };
  change({ truth: String(truth), said: String(said), result: "", sure: "", text: "" });
  find("clips-title").focus({ preventScroll: true });
  find("clips-title").scrollIntoView({ block: "start" });
}

/** Back to where the clips were opened. */
function closeCell() {
  change({ truth: "", said: "" });
  const { truth, said, isPair } = opener ?? {};
  const from = isPair ? document.querySelector(`[data-cell="${truth * CLASSES + said}"]`) : cellOf(truth, said);
  opener = null;
  from?.focus();
}

const cellOf = (truth, said) => find("scroll").querySelector("tbody")?.rows[truth]?.cells[Number(said) + 1];

function markOpenCell() {
  for (const cell of find("scroll").querySelectorAll("td.open")) cell.classList.remove("open");
  const isOpen = state.truth !== "" && state.said !== "";
  if (isOpen) cellOf(state.truth, state.said)?.classList.add("open");
  for (const button of find("pairs").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", isOpen && Number(button.dataset.cell) === state.truth * CLASSES + Number(state.said));
  }
}

// Moving pictures: tiles side by side, of which one is in sight

const films = new Set(); // those in sight
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    films[isIntersecting ? "add" : "delete"](target);
    if (isIntersecting) target.show(frameAt(target.count));
  }
});

const frameAt = (count) => Math.min(tick % (count + HOLD), count - 1);

/** A picture of a clip, "frames" or "flow", with the map of its stream laid over it or without. */
function makeFilm(clip, kind, withMap, label) {
  const picture = data.pictures[clip];
  const map = withMap && picture.maps[kind === "frames" ? "spatial" : "temporal"];
  const layers = [[picture[kind], kind === "frames" ? picture.count : picture.segments]];
  if (map) layers.unshift([map, picture.segments]);
  const node = make("div", { role: "img", className: "film" });
  node.setAttribute("aria-label", label);
  node.style.aspectRatio = `${picture.size[1]} / ${picture.size[0]}`;
  node.style.backgroundImage = layers.map(([url]) => `url("${url}")`).join(", ");
  node.style.backgroundSize = layers.map(([, tiles]) => `${100 * tiles}% 100%`).join(", ");
  node.count = picture.count;
  node.show = (frame) => {
    const place = (tiles) => (tiles > 1 ? (100 * Math.floor((frame * tiles) / picture.count)) / (tiles - 1) : 0);
    node.style.backgroundPosition = layers.map(([, tiles]) => `${place(tiles)}% 0`).join(", ");
  };
  return node;
}

function makeMoving(...film) {
  const node = makeFilm(...film);
  node.show(frameAt(node.count));
  sight.observe(node);
  return node;
}

function play(value) {
  playing = value;
  for (const button of document.querySelectorAll(".play")) button.textContent = playing ? "❚❚ Pause" : "▶ Play";
}

setInterval(() => {
  if (!playing || document.hidden) return;
  tick++;
  for (const film of films) film.isConnected ? film.show(frameAt(film.count)) : films.delete(film);
  const slider = find("slider");
  if (slider) slider.value = frameAt(Number(slider.max) + 1);
}, TICK);

// Clips

function mark(right) {
  return make("span", { className: `mark ${right ? "right" : "wrong"}` }, right ? "✓ right" : "✗ wrong");
}

/** Whether the stream shown is right, its answer if it is wrong, and the answer's score. */
function makeResult(clip) {
  const right = isRight(state.stream, clip);
  const said = right ? "," : `: answered “${className(answer(state.stream, clip))}”,`;
  return make("span", { className: "result" }, mark(right), `${said} ${score(state.stream, clip).toFixed(2)}`);
}

/** A sentence where the true class nearly won, else "". */
function explainTie(clip) {
  const [first, truth] = [score(state.stream, clip), data.streams[state.stream].truth[clip]];
  if (isRight(state.stream, clip) || first - truth > TIE) return "";
  return ` Nearly a tie for ${NAMES[state.stream]}: ${first.toFixed(2)} against ${truth.toFixed(2)} for the true class.`;
}

/** What the streams' answers say about a clip, in one sentence; and whether its label should be checked. */
function explain(clip) {
  const [spatial, temporal, fused] = ["spatial", "temporal", "fused"].map((stream) => isRight(stream, clip));
  const [first, second] = [answer("spatial", clip), answer("temporal", clip)];
  if (!spatial && !temporal && first === second) {
    const doubt = data.streams.fused.scores[clip][0] - data.streams.fused.truth[clip];
    const text = `Both streams answer “${className(first)}”`;
    return doubt < DOUBT ? [`${text}, but not surely.`, false] : [`${text}. If the picture agrees, the label is wrong.`, true];
  }
  if (spatial && temporal) return [fused ? "Both streams are right." : "Both streams are right, the fusion is not.", false];
  if (!spatial && !temporal) return [fused ? "Right only together: each stream alone is wrong." : "Neither stream knows it.", false];
  const [good, bad] = spatial ? ["spatial", "temporal"] : ["temporal", "spatial"];
  return [fused ? `The ${good} stream is right and prevails.` : `The ${good} stream is right, but the ${bad} one is surer.`, false];
}

function makeBest(clip) {
  const table = make("table", { className: "best" });
  table.setAttribute("aria-label", "Best three classes");
  for (const stream of STREAMS) {
    const { best, scores, truth } = data.streams[stream];
    const lines = best[clip].map((index, rank) => [className(index), scores[clip][rank], index === data.truth[clip]]);
    if (!lines.some(([, , isTruth]) => isTruth)) lines.push([`${className(data.truth[clip])} `, truth[clip], true]);
    const items = lines.map(([name, value, isTruth]) => {
      const meter = make("span", { className: "meter", ariaHidden: "true" });
      meter.style.setProperty("--score", `${100 * value}%`);
      const text = make("span", { className: "name" }, isTruth ? `${name} (true)` : name);
      return make("li", { className: isTruth ? "truth" : "" }, text, meter, make("span", { className: "score" }, value.toFixed(2)));
    });
    const head = make("th", { scope: "row" }, stream, make("br"), mark(isRight(stream, clip)));
    table.append(make("tr", { className: stream }, head, make("td", {}, make("ol", {}, ...items))));
  }
  return table;
}

function makeFigure(node, caption) {
  return make("figure", {}, node, make("figcaption", {}, caption));
}

function makeFilms(clip, withMap) {
  const picture = data.pictures[clip];
  if (!picture) return make("p", { className: "none" }, "No picture: the file has room for those of other clips only, see the end of the page.");
  const label = className(data.truth[clip]);
  const looked = withMap ? ", darkened where the stream did not look" : "";
  return make(
    "div", { className: "films" },
    makeFigure(makeMoving(clip, "frames", withMap, `Frames of a clip of ${label}${looked}`), withMap ? "spatial: frames" : "frames"),
    makeFigure(
      makeMoving(clip, "flow", withMap, `Flow of a clip of ${label}, in colours${looked}`),
      `${withMap ? "temporal: " : ""}flow, full colour ${picture.full_colour} px/frame`,
    ),
  );
}

function makeAbout(clip) {
  return make("p", { className: "about" }, `${data.ids[clip]} · group ${data.groups[clip]} · ${data.folder}${data.paths[clip]}`);
}

function makeFinding(clip) {
  const [text, alarm] = explain(clip);
  return make("p", { className: alarm ? "finding alarm" : "finding" }, text + explainTie(clip));
}

function makeCard(clip) {
  const right = isRight(state.stream, clip);
  const title = make("button", { type: "button", className: "open" }, className(data.truth[clip]));
  title.setAttribute("aria-haspopup", "dialog");
  title.addEventListener("click", () => showClip(clip));
  const line = make("p", { className: "finding" }, makeResult(clip));
  const films = makeFilms(clip, find("maps").checked);
  films.addEventListener("click", () => {
    title.focus(); // to which closing the clip returns
    showClip(clip);
  });
  return make(
    "li", { className: `card ${right ? "right" : "wrong"}` },
    make("h3", {}, title), line, films, makeFinding(clip), makeBest(clip), makeAbout(clip),
  );
}

function showClips() {
  chooseClips();
  for (const field of find("filters").elements) if (field.name && field.value !== state[field.name]) field.value = state[field.name];
  const isFiltered = matching.length < COUNT;
  find("clear").hidden = !isFiltered && state.truth + state.said + state.result + state.sure + state.text === "";
  const cell = state.truth !== "" && state.said !== "" ? `: ${className(state.truth)}, answered as ${className(state.said)} by ${NAMES[state.stream]}` : "";
  find("count").textContent = `${matching.length.toLocaleString("en")} of ${plural(COUNT, "clip")}${cell}`;
  sight.disconnect();
  films.clear();
  find("clips").replaceChildren();
  addCards(0);
  markOpenCell();
}

function addCards(first) {
  find("clips").append(...matching.slice(first, limit).map(makeCard));
  if (!matching.length) find("clips").append(make("li", { className: "none" }, `No clip of this page matches; it holds the ${data.split} clips only.`));
  const left = matching.length - limit;
  find("more").hidden = left <= 0;
  find("more").textContent = `Show ${Math.min(left, PAGE)} more of ${left.toLocaleString("en")}`;
}

// One clip, large

function makeStrip(clip, kind, stream) {
  const picture = data.pictures[clip];
  const each = picture.count / picture.segments;
  const tiles = [...Array(picture.segments).keys()].map((segment) => {
    const node = makeFilm(clip, kind, true, `Segment ${segment + 1} of ${picture.segments}`);
    node.show(Math.floor(segment * each + each / 2));
    return node;
  });
  const strip = make("div", { className: "strip" }, ...tiles);
  strip.style.setProperty("--columns", picture.segments);
  const text = picture.maps[stream]
    ? `Where the ${stream} stream looked for “${className(answer(stream, clip))}”, its answer: bright`
    : `What the ${stream} stream saw; where it looked is not known for its network`;
  return makeFigure(strip, text);
}

function makeSlider(clip) {
  const slider = make("input", { type: "range", id: "slider", min: 0, max: data.pictures[clip].count - 1, step: 1 });
  slider.value = frameAt(data.pictures[clip].count);
  slider.setAttribute("aria-label", "Frame");
  slider.addEventListener("input", () => {
    play(false);
    tick = Number(slider.value);
    for (const film of find("clip").querySelectorAll(".films .film")) film.show(tick);
  });
  const button = make("button", { type: "button", className: "play" });
  button.addEventListener("click", () => play(!playing));
  return make("div", { className: "bar player" }, button, slider);
}

function showClip(clip) {
  const dialog = find("clip");
  const place = matching.indexOf(clip);
  const step = (offset, text) => {
    const button = make("button", { type: "button", disabled: !(place + offset in matching) }, text);
    button.addEventListener("click", () => showClip(matching[place + offset]));
    return button;
  };
  const close = make("button", { type: "button", autofocus: true }, "Close (Esc)");
  close.addEventListener("click", () => dialog.close());
  const head = make("div", { className: "bar" }, make("h2", { id: "clip-title" }, className(data.truth[clip]), " ", makeResult(clip)));
  head.append(make("span", { className: "bar" }, step(-1, "← Previous"), step(1, "Next →"), close));
  const left = make("div", { className: "inside" }, makeFilms(clip, find("maps").checked));
  if (data.pictures[clip]) left.append(makeSlider(clip), makeStrip(clip, "frames", "spatial"), makeStrip(clip, "flow", "temporal"));
  const right = make("div", { className: "inside" }, makeFinding(clip), makeBest(clip), makeAbout(clip));
  const isOpen = dialog.open;
  dialog.replaceChildren(head, make("div", { className: "wide" }, left, right));
  state.clip = String(clip);
  writeAddress();
  play(playing);
  if (!isOpen) dialog.showModal();
  close.focus();
}

// Start

function start() {
  document.title = `Atlas of ${data.run}`;
  find("title").textContent = `Atlas of ${data.run}`;
  find("summary").textContent = `${plural(COUNT, `${data.split} clip`)}, ${CLASSES} class${CLASSES === 1 ? "" : "es"}. Choose a pair or a cell to see its clips; choose the pictures or the title of a clip to see why.`;
  const pictured = Object.keys(data.pictures).length;
  find("rule").textContent = pictured < COUNT ? `${pictured.toLocaleString("en")} of ${plural(COUNT, "clip")} have pictures, as many as fit into the file: ${data.rule}.` : "";
  const form = find("filters").elements;
  const options = data.classes.map((name, index) => [name, index]).sort(([a], [b]) => collator.compare(a, b));
  for (const name of ["truth", "said"]) {
    form[name].append(new Option("any", ""), ...options.map(([label, index]) => new Option(shorten(label, 60), index)));
  }
  form.stream.append(...STREAMS.map((stream) => new Option(NAMES[stream], stream)));
  find("filters").addEventListener("input", (event) => change({ [event.target.name]: event.target.value }));
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    change({ ...DEFAULTS, stream: state.stream, order: state.order });
    find("clips-title").focus({ preventScroll: true });
  });
  find("more").addEventListener("click", () => {
    const first = limit;
    limit += PAGE;
    addCards(first);
    find("clips").children[first]?.querySelector(".open").focus();
  });
  find("maps").addEventListener("change", showClips);
  find("play").classList.add("play");
  find("play").addEventListener("click", () => play(!playing));
  find("clip").addEventListener("close", () => {
    state.clip = "";
    writeAddress();
  });
  find("clip").addEventListener("keydown", (event) => {
    const button = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
    if (button === undefined || event.target.type === "range") return;
    find("clip").querySelectorAll(".bar .bar button")[button].click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !find("clip").open && (state.truth !== "" || state.said !== "")) closeCell();
  });
  addEventListener("hashchange", show);
  showTabs();
  play(playing);
  show();
}

function show() {
  readAddress();
  limit = PAGE;
  showConfusion();
  showClips();
  if (state.clip !== "") showClip(Number(state.clip));
  else if (find("clip").open) find("clip").close();
}

start();

// Shows what /api/stream sends. Names and values come from the field: they are only ever set as
// text, never as markup.
(() => {
  const seriesShownMax = 600;
  const curveValuesMax = 48;
  const resolvedShownMax = 50;
  const silentAfterMs = 150_000;
  const reopenMs = 3_000;

  const find = (id) => document.getElementById(id);
  const node = (name, props = {}, ...children) => {
    const made = Object.assign(document.createElement(name), props);
    made.append(...children);
    return made;
  };
  const setText = (target, text) => {
    if (target.textContent !== text) target.textContent = text;
  };

  const whole = new Intl.NumberFormat();
  const precise = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
  const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  const dayAndTime = new Intl.DateTimeFormat(undefined, {
    dateStyle: "short",
    timeStyle: "medium",
  });
  const byName = new Intl.Collator(undefined, { numeric: true }).compare;
  // The symbols of the SenML registry as people write them.
  const unitNames = {
    Cel: "°C",
    "%RH": "% RH",
    "/": "",
    Ohm: "Ω",
    "m/s2": "m/s²",
    m2: "m²",
    m3: "m³",
  };

  const series = new Map();
  const devices = new Map();
  const firing = new Map();
  const resolved = new Map();
  let clockSkewMs = 0;
  let lastCounters;

  const serverNow = () => Date.now() + clockSkewMs;

  function timeNode(ms) {
    const at = node("time");
    setTime(at, ms);
    return at;
  }

  function setTime(target, ms) {
    const date = new Date(ms);
    const isToday = date.toDateString() === new Date(serverNow()).toDateString();
    setText(target, (isToday ? timeOfDay : dayAndTime).format(date));
    target.dateTime = date.toISOString();
    target.title = utcText(ms);
  }

  const utcText = (ms) => `${new Date(ms).toISOString()} (UTC)`;

  function durationText(ms) {
    const seconds = Math.max(0, Math.round(ms / 1_000));
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
    return seconds < 172_800
      ? `${Math.round(seconds / 3_600)} h`
      : `${Math.round(seconds / 86_400)} d`;
  }

  function bytesText(bytes) {
    const step = bytes && Math.min(3, Math.floor(Math.log2(bytes) / 10));
    const size = bytes / 1_024 ** step;
    const text = step === 0 || size >= 100 ? Math.round(size) : size.toFixed(1);
    return `${text} ${["B", "KiB", "MiB", "GiB"][step]}`;
  }

  function valueText(value) {
    if (value === null) return "no value";
    if (typeof value === "number") return precise.format(value);
    return typeof value === "boolean" ? (value ? "on" : "off") : value;
  }

  // ---- figures

  const figures = new Map();
  function figure(name, text, isTrouble = false) {
    let own = figures.get(name);
    if (own === undefined) {
      own = node("dd");
      figures.set(name, own);
      find("figures").append(node("div", {}, node("dt", {}, name), own));
    }
    setText(own, text);
    own.parentElement.className = isTrouble ? "trouble-figure" : "";
  }

  function showCounters({ now, version, ready, reasons, counters }) {
    clockSkewMs = now - Date.now();
    const {
      events,
      readings,
      gateways,
      series: seriesCount,
      quarantined,
      dead,
      late,
      lost,
    } = counters;
    const before = lastCounters;
    lastCounters = { now, readings };
    const spanMs = before ? now - before.now : 0;
    const rate =
      spanMs > 0 ? Math.max(0, readings - before.readings) / (spanMs / 1_000) : undefined;
    figure("Events taken", whole.format(events));
    figure("Readings", whole.format(readings));
    figure("Readings / s", rate === undefined ? "–" : precise.format(Math.round(rate)));
    figure("Gateways", whole.format(gateways));
    figure("Late", whole.format(late));
    figure("Quarantined", whole.format(quarantined), quarantined > 0);
    figure("Dead letters", whole.format(dead), dead > 0);
    figure("Lost, as stated", whole.format(lost), lost > 0);
    const shown = seriesCount > seriesShownMax ? `${seriesShownMax} of ` : "";
    setText(find("values-count"), `${shown}${whole.format(seriesCount)} series`);
    setText(find("version"), `Causeway ${version}.`);
    const trouble = find("trouble");
    trouble.hidden = ready;
    setText(trouble, ready ? "" : `Not ready: ${reasons.join("; ") || "no reason given"}`);
  }

  // ---- gateways

  let gatewayRows = [];
  function showGateways(rows) {
    gatewayRows = rows;
    find("gateways").hidden = rows.length === 0;
    find("gateways-empty").hidden = rows.length > 0;
    setText(find("gateways-count"), rows.length === 0 ? "" : whole.format(rows.length));
    const body = find("gateways").tBodies[0];
    while (body.rows.length > rows.length) body.deleteRow(-1);
    const sorted = rows.toSorted((a, b) => byName(a.gateway, b.gateway));
    for (const [index, gateway] of sorted.entries()) {
      showGateway(body.rows[index] ?? gatewayRow(body), gateway);
    }
  }

  function gatewayRow(body) {
    const head = node("th", { scope: "row" });
    const numbers = [1, 2, 3].map(() => node("td", { className: "number" }));
    const row = node("tr", {}, head, node("td"), ...numbers);
    body.append(row);
    return row;
  }

  function showGateway(row, { gateway, storedAt, events, heartbeat }) {
    const [head, link, backlog, outbox, taken] = row.cells;
    const silentMs = serverNow() - storedAt;
    const isSilent = silentMs > silentAfterMs;
    setText(head, gateway);
    setText(link, isSilent ? `○ silent ${durationText(silentMs)}` : "● connected");
    link.className = isSilent ? "silent" : "well";
    link.title = `last heard ${utcText(storedAt)}`;
    setText(backlog, heartbeat ? whole.format(heartbeat.untakenEvents) : "–");
    backlog.title =
      heartbeat === undefined ? "no heartbeat yet" : `told at ${utcText(heartbeat.receivedAt)}`;
    setText(outbox, heartbeat ? bytesText(heartbeat.outboxBytes) : "–");
    setText(taken, whole.format(events));
  }

  // ---- alerts

  function takeAlert(alert) {
    if (alert.state === "firing") {
      if (!resolved.has(alert.id)) firing.set(alert.id, alert);
      return;
    }
    firing.delete(alert.id);
    resolved.delete(alert.id);
    resolved.set(alert.id, alert);
    if (resolved.size > resolvedShownMax) resolved.delete(resolved.keys().next().value);
  }

  const placeOf = ({ gateway, device, metric }) => `${gateway}\n${device}\n${metric}`;

  function spotOf({ gateway, device, metric }) {
    if (device) return `${device}${metric && ` · ${metric}`} (${gateway})`;
    return gateway === "_cloud" ? "cloud" : gateway.replace("@", "site ");
  }

  function showAlerts() {
    const list = find("firing");
    const ranks = { critical: 0, warning: 1, info: 2 };
    const open = [...firing.values()].sort(
      (a, b) => ranks[a.severity] - ranks[b.severity] || b.firingAt - a.firingAt,
    );
    // Items that stay are kept, so that a screen reader is told only what is new.
    const items = new Map([...list.children].map((item) => [item.dataset.id, item]));
    list.replaceChildren(...open.map((alert) => items.get(alert.id) ?? alertItem(alert)));
    find("calm").hidden = open.length > 0;
    setText(find("alerts-count"), open.length === 0 ? "" : `${whole.format(open.length)} firing`);
    document.title = open.length === 0 ? "Causeway" : `(${open.length}) Causeway`;
    const past = [...resolved.values()].reverse();
    find("past").hidden = past.length === 0;
    setText(find("past-count"), whole.format(past.length));
    find("resolved").replaceChildren(...past.map(resolvedRow));
    const alarmed = new Set(open.map(placeOf));
    for (const [key, row] of series) {
      const isAlarmed = alarmed.has(key);
      row.line.className = isAlarmed ? "alarmed" : "";
      row.alarm.hidden = !isAlarmed;
    }
  }

  function alertItem(alert) {
    const { id, severity, rule, reason, firingAt, late } = alert;
    const item = node("li", { className: severity });
    item.dataset.id = id;
    const since = node("span", {}, "since ", timeNode(firingAt));
    const where = node("span", { className: "where" }, spotOf(alert));
    const more = `${reason} (rule ${rule}${late ? ", came late" : ""})`;
    item.append(node("span", { className: "badge" }, severity), where, since, node("p", {}, more));
    return item;
  }

  function resolvedRow({ rule, at, firingAt, late, ...place }) {
    return node(
      "tr",
      {},
      node("td", {}, timeNode(at)),
      node("th", { scope: "row" }, late ? `${rule} (late)` : rule),
      node("td", { textContent: spotOf(place) }),
      node("td", {}, durationText(at - firingAt)),
    );
  }

  // ---- values

  function takeSeries(update) {
    const key = placeOf(update);
    let row = series.get(key);
    if (row === undefined) {
      if (series.size >= seriesShownMax) return;
      row = { update, recent: [], ...seriesLine(update) };
      series.set(key, row);
      placeLine(update, row.line);
    } else if (update.version <= row.update.version) return;
    if (update.recent !== undefined) row.recent = update.recent;
    else if (typeof update.value === "number") {
      row.recent = [...row.recent, update.value].slice(-curveValuesMax);
    }
    row.update = update;
    showSeries(row);
  }

  function seriesLine({ metric }) {
    const alarm = node("span", { className: "unseen", hidden: true }, " (alert firing)");
    const head = node("th", { scope: "row", className: "metric", title: metric }, metric, alarm);
    const [svg, curve] = ["svg", "polyline"].map((name) =>
      document.createElementNS("http://www.w3.org/2000/svg", name),
    );
    svg.setAttribute("viewBox", "0 0 100 20");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append(curve);
    const value = node("td", { className: "value" });
    const line = node("tr", {}, head, node("td", { className: "curve" }, svg), value);
    return { line, alarm, curve, value };
  }

  function placeLine({ gateway, device, metric }, line) {
    const key = `${gateway}\n${device}`;
    let own = devices.get(key);
    if (own === undefined) {
      own = deviceCard(gateway, device);
      devices.set(key, own);
      insertByName(find("devices"), own.card, `${device}\n${gateway}`);
      find("values-empty").hidden = true;
    }
    insertByName(own.body, line, metric);
  }

  function insertByName(parent, child, name) {
    child.dataset.name = name;
    const later = [...parent.children].find((other) => byName(other.dataset.name, name) > 0);
    parent.insertBefore(child, later ?? null);
  }

  function deviceCard(gateway, device) {
    const time = node("time");
    const caption = node(
      "div",
      { className: "caption" },
      node("strong", { title: device }, device),
      node("span", {}, gateway),
      time,
    );
    const heads = ["Metric", "Curve", "Value"].map((text) => node("th", { scope: "col" }, text));
    const body = node("tbody");
    const table = node(
      "table",
      {},
      node("caption", {}, caption),
      node("thead", { className: "unseen" }, node("tr", {}, ...heads)),
      body,
    );
    return { card: node("div", { className: "device" }, table), body, time };
  }

  function showSeries({ update, recent, curve, value }) {
    const { unit, quality, qualityReason, receivedAt, observedAt, gateway, device } = update;
    const parts = [valueText(update.value)];
    const unitText = unitNames[unit] ?? unit ?? "";
    if (update.value !== null) parts.push(node("small", { className: "unit" }, ` ${unitText}`));
    if (quality !== "good") {
      const title = `${quality}: ${qualityReason ?? "the device says so"}`;
      const sign = quality === "bad" ? "bad " : "? ";
      parts.unshift(node("small", { className: quality, title }, sign));
    }
    value.replaceChildren(...parts);
    value.title = `${valueText(update.value)} ${unitText}\n${utcText(observedAt ?? receivedAt)}`;
    curve.setAttribute("points", pointsOf(recent));
    setTime(devices.get(`${gateway}\n${device}`).time, receivedAt);
  }

  function pointsOf(values) {
    if (values.length < 2) return "";
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const span = most - least;
    const y = (value) => (span > 0 ? 19 - ((value - least) / span) * 18 : 10);
    const step = 100 / (values.length - 1);
    return values.map((value, at) => `${(at * step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  }

  // ---- stream

  function forget() {
    for (const map of [series, devices, firing, resolved]) map.clear();
    find("devices").replaceChildren();
    find("values-empty").hidden = false;
    lastCounters = undefined;
  }

  function showLink(state, text) {
    const link = find("link");
    link.dataset.state = state;
    setText(link, text);
    document.body.classList.toggle("stale", state === "lost");
  }

  const takers = {
    hello({ resumed }) {
      if (!resumed) forget();
      showLink("live", "live");
      showAlerts();
    },
    counters: showCounters,
    gateways: showGateways,
    alerts({ open, recent }) {
      for (const alert of recent.toReversed()) takeAlert(alert);
      for (const alert of open) takeAlert(alert);
      showAlerts();
    },
    alert(alert) {
      takeAlert(alert);
      showAlerts();
    },
    latest(updates) {
      const before = series.size;
      for (const update of updates) takeSeries(update);
      if (series.size !== before) showAlerts();
    },
  };

  function open() {
    const source = new EventSource("/api/stream");
    for (const [name, take] of Object.entries(takers)) {
      source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    }
    source.onerror = () => {
      showLink("lost", `connection lost at ${timeOfDay.format(new Date())}, trying again`);
      // After an answer that is no stream the browser gives up; we do not.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, reopenMs);
    };
  }

  setInterval(() => {
    setTime(find("clock"), serverNow());
    showGateways(gatewayRows);
  }, 1_000);
  setTime(find("clock"), serverNow());
  open();
})();

// Draws the rate curves and keeps what the slider shows up to date; the numbers come from metrics.json as they are.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("rate-data").textContent);
  const firmware = data.models.firmware;
  const n = firmware.threshold.length;
  const slider = document.getElementById("threshold");
  const W = 860, H = 380, LEFT = 76, RIGHT = 12, TOP = 12, BOTTOM = 58;

  const curves = Object.entries(data.models).flatMap(([model, own]) =>
    [["rate_khz", ""], ["pure_rate_khz", " pure"]].filter(([key]) => key in own)
      .map(([key, kind]) => ({ model, kind, x: own.threshold, y: own[key] })));
  const positive = firmware.threshold.filter((value) => value > 0);
  const inside = positive.concat(data.marks.filter((value) => value > 0));  // every threshold of the firmware has its place
  const xs = inside.length ? [Math.log10(Math.min(...inside)), Math.log10(Math.max(...inside))] : [0, 1];
  const rates = curves.flatMap((curve) => curve.y.value.filter((value) => value > 0));
  const seen = rates.length ? rates : curves.flatMap((curve) => curve.y.high);  // of a score that tells no event from others
  const ys = [Math.floor(Math.log10(Math.min(...seen))), Math.ceil(Math.log10(Math.max(...seen)))];
  if (ys[0] === ys[1]) { ys[0] -= 1; ys[1] += 1; }  // one rate, a power of ten
  if (xs[1] - xs[0] < 0.1) { xs[0] -= 0.5; xs[1] += 0.5; }
  const scale = (value, ends, from, to) =>
    from + (Math.max(ends[0], Math.min(ends[1], Math.log10(Math.max(value, 1e-300)))) - ends[0]) / (ends[1] - ends[0]) * (to - from);
  const px = (value) => scale(value, xs, LEFT, W - RIGHT).toFixed(1);
  const py = (value) => scale(value, ys, H - BOTTOM, TOP).toFixed(1);
  const powers = (ends) => Array.from({ length: Math.floor(ends[1]) - Math.ceil(ends[0]) + 1 }, (_, i) => Math.ceil(ends[0]) + i);
  const short = (value) => value >= 1e5 || (value > 0 && value < 1e-2) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
  const power = (p) => Math.abs(p) > 4 ? `1e${p}` : String(Number((10 ** p).toPrecision(3)));
  const share = (value) => (100 * value).toFixed(value < 0.001 ? 3 : 2) + " %";

  function line(curve) {
    const points = curve.x.map((x, i) => [x, curve.y.value[i]]).filter(([x, y]) => x > 0 && y > 0);
    // Nothing passes: an open triangle at the upper end of the interval, since a logarithmic axis has no 0.
    const none = curve.x.map((x, i) => [x, curve.y.value[i], curve.y.high[i]]).filter(([x, y]) => x > 0 && y === 0)
      .map(([x, , high]) => `<path class="none ${curve.model}" d="M${px(x)} ${py(high)} m-5 -7 h10 l-5 7 z"/>`);
    return `<polyline class="${curve.model}${curve.kind}" points="${points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ")}"/>${none.join("")}`;
  }
  function band(curve) {
    const inside = curve.x.map((x, i) => i).filter((i) => curve.x[i] > 0);
    const up = inside.map((i) => `${px(curve.x[i])},${py(curve.y.high[i])}`);
    const down = inside.reverse().map((i) => `${px(curve.x[i])},${py(curve.y.low[i])}`);
    return `<polygon class="band ${curve.model}" points="${up.concat(down).join(" ")}"/>`;
  }
  function frame() {
    const vertical = powers(xs).map((p) => `<line class="grid" x1="${px(10 ** p)}" x2="${px(10 ** p)}" y1="${TOP}" y2="${H - BOTTOM}"/>` +
      `<text x="${px(10 ** p)}" y="${H - BOTTOM + 20}" text-anchor="middle">${power(p)}</text>`);
    const horizontal = powers(ys).map((p) => `<line class="grid" x1="${LEFT}" x2="${W - RIGHT}" y1="${py(10 ** p)}" y2="${py(10 ** p)}"/>` +
      `<text x="${LEFT - 8}" y="${Number(py(10 ** p)) + 4}" text-anchor="end">${power(p)}</text>`);
    const marks = data.marks.filter((value) => value > 0).map((value) => `<line class="mark" x1="${px(value)}" x2="${px(value)}" y1="${TOP}" y2="${H - BOTTOM}"/>`);
    return vertical.concat(horizontal, marks).join("") +
      `<rect class="axis" x="${LEFT}" y="${TOP}" width="${W - LEFT - RIGHT}" height="${H - TOP - BOTTOM}"/>` +
      `<text x="${W - RIGHT}" y="${H - 6}" text-anchor="end">Threshold on the score</text>` +
      `<text x="${LEFT + 8}" y="${TOP + 18}">Rate [kHz]</text>`;
  }
  document.getElementById("rate-chart").innerHTML =
    `<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="Rate against threshold">${frame()}${curves.map(band).join("")}` +
    `${curves.map(line).join("")}<g id="rate-point"></g></svg>`;

  // The float model at the largest rate that does not exceed the firmware's.
  function same(rate) {
    const found = data.models.float && data.models.float.rate_khz.value.findIndex((own) => own <= rate);
    return found === undefined || found < 0 ? null : found;
  }
  function interval(own, i, show) {
    return `${show(own.value[i])} <span class="quiet">(${show(own.low[i])} to ${show(own.high[i])})</span>`;
  }
  function update() {
    const i = Number(slider.value), threshold = firmware.threshold[i], passed = firmware.background_passed[i];
    const rate = firmware.rate_khz.value[i], j = same(rate);
    const worth = firmware.effective_passed ? firmware.effective_passed[i] : passed;  // of weighted events
    document.getElementById("rate-point").innerHTML =
      `<line class="chosen" x1="${px(threshold)}" x2="${px(threshold)}" y1="${TOP}" y2="${H - BOTTOM}"/>` +
      `<circle class="dot firmware" cx="${px(threshold)}" cy="${py(rate)}" r="5"/>`;
    document.getElementById("threshold-value").textContent = short(threshold);
    document.getElementById("rate-value").innerHTML = interval(firmware.rate_khz, i, (v) => short(v) + " kHz");
    document.getElementById("rate-events").textContent = passed.toLocaleString("en") + " of " + data.background_events.toLocaleString("en") +
      (worth < 5 ? ": too few for an interval of the efficiency" : "");
    if (firmware.pure_rate_khz) {
      document.getElementById("pure-value").innerHTML = interval(firmware.pure_rate_khz, i, (v) => short(v) + " kHz");
    }
    for (const row of document.querySelectorAll("#rate-rows [data-signal]")) {
      const signal = row.dataset.signal, cells = row.querySelectorAll("td");
      cells[0].innerHTML = interval(firmware.efficiency[signal], i, share);
      cells[1].textContent = j === null ? "\u2013" : share(data.models.float.efficiency[signal].value[j]);
    }
  }
  slider.max = n - 1;
  const first = data.marks.length ? firmware.threshold.findIndex((value) => value >= data.marks[0]) : -1;
  slider.value = first < 0 ? Math.floor(n / 2) : first;
  slider.addEventListener("input", update);
  update();
})();

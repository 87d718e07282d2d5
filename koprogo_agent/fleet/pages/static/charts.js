// Draws what the tables beside hold. Without this script, the tables are all there is.
"use strict";

const STROKES = ["#0b63b6", "#c2410c", "#15803d", "#7e22ce", "#b45309", "#0e7490", "#be185d", "#64748b"];
const STEPS = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800];
const language = document.documentElement.lang;
const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axes(across) {
  const look = { stroke: ink("--faint"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line") } };
  return [{ ...look, ...across }, { ...look, values: (_, shares) => shares.map((share) => percent.format(share)), size: 60 }];
}

function spans(_, seconds) {
  return seconds.map((second) => (second < 180 ? `${second} s` : second < 10800 ? `${Math.round(second / 60)} min` : `${Math.round(second / 3600)} h`));
}

function line(label, number) {
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
  return {
    label,
    stroke: STROKES[number % STROKES.length],
    width: 2,
    points: { show: false },
    dash: dashes[Math.floor(number / 2) % dashes.length],
    value: (_, share) => (share == null ? "–" : exact.format(share)),
  };
}

const kinds = {
  shares(told) {
    return {
      data: [told.moments, ...told.shares],
      options: { axes: axes({}), series: [{}, ...told.names.map((name, number) => line(told.words[name] ?? name, number))], scales: { y: { range: [0, 1] } } },
    };
  },
  curve(told) {
    const stepped = { ...line(told.up, 0), paths: uPlot.paths.stepped({ align: 1 }) };
    const across = { label: told.across, value: (_, second) => (second == null ? "–" : spans(_, [second])[0]) };
    return {
      data: [told.seconds, told.shares],
      options: {
        axes: axes({ values: spans, incrs: STEPS }),
        series: [across, stepped],
        scales: { x: { time: false }, y: { range: [0, 1] } },
      },
    };
  },
};

function draw(place) {
  const source = place.querySelector("script");
  if (!source || place.dataset.drawn === source.textContent) {
    return;
  }
  place.dataset.drawn = source.textContent;
  place.querySelector(".uplot")?.remove();
  const { data, options } = kinds[place.dataset.chart](JSON.parse(source.textContent));
  const chart = new uPlot({ width: place.clientWidth, height: 260, ...options }, data, place);
  new ResizeObserver(() => {
    if (place.clientWidth > 0 && place.clientWidth !== chart.width) {
      chart.setSize({ width: place.clientWidth, height: 260 });
    }
  }).observe(place);
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

drawAll();
document.addEventListener("htmx:after:swap", drawAll);

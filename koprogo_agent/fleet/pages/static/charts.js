// Draws what the tables beside hold. Without this script, the tables are all there is.
"use strict";

const STEPS = [10, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const HEIGHT = 260;
const language = document.documentElement.lang;
const locale = language === "en" ? "en-GB" : `${language}-BE`;
const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
const exact = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function axes(across) {
  const look = { stroke: ink("--faint"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line") } };
  return [{ ...look, space: 70, ...across }, { ...look, values: (_, shares) => shares.map((share) => percent.format(share)), size: 60 }];
}

function span(second, unit) {
  if (unit < 60) {
    return `${second} s`;
  }
  return unit < 3600 ? `${Math.round(second / 60)} min` : `${Math.round(second / 3600)} h`;
}

function line(label, number) {
  const strokes = ink("--strokes").split(" ");
  return {
    label,
    stroke: strokes[number % strokes.length],
    width: 2,
    points: { show: false },
    // What was counted holds until it is counted again; nothing is known of what lies between.
    paths: uPlot.paths.stepped({ align: 1 }),
    dash: DASHES[Math.floor(number / 2) % DASHES.length],
    value: (_, share) => (share == null ? "–" : exact.format(share)),
  };
}

const kinds = {
  shares(told) {
    const write = (options) => new Intl.DateTimeFormat(locale, { timeZone: told.zone, hourCycle: "h23", ...options });
    const [day, minute, whole] = [{ day: "numeric", month: "short" }, { timeStyle: "short" }, { dateStyle: "medium", timeStyle: "short" }].map(write);
    const dayOrMinute = (at) => (minute.format(at) === "00:00" ? day : minute).format(at);
    const values = (_, moments) => moments.map((moment) => dayOrMinute(moment * 1000));
    const across = { label: told.across, value: (_, moment) => (moment == null ? "–" : whole.format(moment * 1000)) };
    return {
      data: [told.moments, ...told.shares],
      options: {
        axes: axes({ values }),
        series: [across, ...told.names.map((name, number) => line(told.words[name] ?? name, number))],
        scales: { y: { range: [0, 1] } },
        tzDate: (moment) => uPlot.tzDate(new Date(moment * 1000), told.zone),
      },
    };
  },
  curve(told) {
    const values = (_, seconds, axis, space, unit) => seconds.map((second) => span(second, unit));
    const across = { label: told.across, value: (_, second) => (second == null ? "–" : span(second, second < 180 ? 1 : second < 10800 ? 60 : 3600)) };
    return {
      data: [told.seconds, told.shares],
      options: {
        axes: axes({ values, incrs: STEPS }),
        series: [across, line(told.up, 0)],
        scales: { x: { time: false }, y: { range: [0, 1] } },
      },
    };
  },
};

const drawn = new WeakMap();

function draw(chart) {
  const [source, place] = chart.children;
  if (drawn.get(place) === source.textContent) {
    return;
  }
  drawn.set(place, source.textContent);
  place.replaceChildren();
  const { data, options } = kinds[chart.dataset.chart](JSON.parse(source.textContent));
  const plot = new uPlot({ width: chart.clientWidth, height: HEIGHT, ...options }, data, place);
  new ResizeObserver((_, watcher) => {
    if (!plot.root.isConnected) {
      watcher.disconnect();
    } else if (chart.clientWidth > 0 && chart.clientWidth !== plot.width) {
      plot.setSize({ width: chart.clientWidth, height: HEIGHT });
    }
  }).observe(chart);
}

function drawAll() {
  document.querySelectorAll("[data-chart]").forEach(draw);
}

drawAll();
document.addEventListener("htmx:after:swap", drawAll);

// What is told of many measurements.

/** Of an unsorted list, by the nearest rank; NaN of none. */
export function percentile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const percentiles = (tookMs) => ({
  p50_ms: percentile(tookMs, 0.5),
  p99_ms: percentile(tookMs, 0.99),
  max_ms: percentile(tookMs, 1),
});

export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  return mean([sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]);
}

/** Over the rounds of a run. */
export const spread = (values) => ({
  median: rounded(median(values)),
  min: rounded(Math.min(...values)),
  max: rounded(Math.max(...values)),
});

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** To a precision that a repetition could confirm. */
export const rounded = (value) => Number(value.toFixed(value >= 100 ? 0 : 3));

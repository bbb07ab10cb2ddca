/**
 * Durations as people read them. Pure. The dashboard has a copy in `format.js`, because browsers
 * can't import this file; a test compares the two.
 */

/**
 * `850 ms`, `1.56 s`, `12.3 s`, `4 min 48 s`, `2 h 5 min`: at most three digits below a minute, and at
 * most two units above it. Rounded to the nearest.
 */
export function formatMs(ms: number): string {
  const whole = Math.round(ms);
  if (whole < 1000) return `${whole} ms`;
  const short = Number((whole / 1000).toPrecision(3));
  if (short < 60) return `${short} s`;
  const seconds = Math.round(whole / 1000);
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(whole / 60_000);
  if (minutes < 1440) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(whole / 3_600_000);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}

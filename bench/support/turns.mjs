/** Lets systems take turns, and compares them by their medians. */

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/**
 * Measures each system once in each round, in turns, so that a busy moment of the machine does not hit one
 * system alone. The order is reversed in each second round. The first `warmUp` rounds don't count: V8
 * compiles a proxy after a few thousand requests.
 */
export async function takeTurns(systems, measure, { rounds, warmUp = 1 }) {
  const results = new Map(systems.map((system) => [system, []]));
  for (let round = -warmUp; round < rounds; round++) {
    for (const system of round % 2 === 0 ? systems : systems.toReversed()) {
      const result = await measure(system);
      if (round >= 0) results.get(system).push(result);
    }
  }
  return results;
}

/** The median of the ratios of two series that were measured in turns. */
export function ratio(series, base, key) {
  return median(series.map((each, round) => each[key] / base[round][key]));
}

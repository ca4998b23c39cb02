// How soon the service is ready, how much memory it takes when nobody asks anything, and what creates cost.

import { mean } from '../figures.mjs';
import { runLoad } from '../load-process.mjs';
import { ECHO } from '../scenarios.mjs';
import { residentMiB } from '../usage.mjs';

const STARTS = 3;

export async function start(installation) {
  const rows = [];
  for (let number = 1; number <= STARTS; number++) {
    const ready = await installation.restart();
    rows.push({
      start: number,
      ready_ms: ready,
      resident_mib_when_ready: residentMiB(installation.service.pid),
    });
  }
  const seconds = await installation.settle();
  return rows.map((row, number) => ({
    ...row,
    ...(number === STARTS - 1 && {
      settled_after_seconds: seconds,
      resident_mib_idle: residentMiB(installation.service.pid),
    }),
  }));
}

/** Creates in the large tenant, next to the echo; the memory told is the most that was seen while they ran. */
export async function creates(installation, { rounds, seconds, connections }) {
  await installation.restart();
  await installation.settle();
  const echo = await installation.startEcho();
  const task = { seconds, warmUpSeconds: 2, connections };
  const rows = [];
  try {
    for (let round = 1; round <= rounds; round++) {
      const before = await runLoad(echo, { ...task, scenario: ECHO.name });
      const made = await runLoad(installation.service, { ...task, scenario: 'create' });
      const after = await runLoad(echo, { ...task, scenario: ECHO.name });
      if (made.failed > 0) throw new Error(`creates failed: ${JSON.stringify(made.statuses)}`);
      rows.push({
        round,
        ratio_to_echo:
          made.requests_per_second / mean([before.requests_per_second, after.requests_per_second]),
        creates_per_second: made.requests_per_second,
        p99_ms: made.p99_ms,
        event_loop_p99_ms: made.event_loop_p99_ms,
        resident_mib_under_load: made.resident_mib,
      });
    }
  } finally {
    await echo.stop();
  }
  return rows;
}

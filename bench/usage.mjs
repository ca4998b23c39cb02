// What a server uses while it is measured: its event loop's delay by bench/probe.mjs, the rest by proc(5) on Linux.
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 100;
/** Of /proc/PID/task/TID/stat: the name in parentheses, and the rest. */
const STAT = /\((.*)\) (.*)/s;
/** Fields of the rest, which begins with the state. */
const [UTIME, STIME] = [11, 12];

/** Begins to measure; the function that it answers ends that and answers the figures. */
export async function beginUsage({ pid, eventLoop }) {
  await eventLoop();
  const before = cpuByThread(pid);
  const cpuBefore = cpuSeconds(pid);
  let peak = residentMiB(pid);
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentMiB(pid));
  }, SAMPLE_MS);
  return async () => {
    clearInterval(sampling);
    const { p99_ms, max_ms } = await eventLoop();
    const threads = cpuSince(before, cpuByThread(pid));
    return {
      event_loop_p99_ms: p99_ms,
      event_loop_max_ms: max_ms,
      cpu_seconds: cpuSeconds(pid) - cpuBefore,
      cpu_seconds_by_thread: threads,
      resident_mib: Math.max(peak, residentMiB(pid)),
    };
  };
}

/** VmRSS is what is resident now, VmHWM the most that ever was. */
export function residentMiB(pid, field = 'VmRSS') {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1_024);
}

/** Of the process, with its threads that have ended. */
export const cpuSeconds = (pid) => secondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** User and system time of each thread that is alive. */
function cpuByThread(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    const stat = statOf(pid, thread);
    if (!stat) return [];
    return [{ thread, name: STAT.exec(stat)[1], seconds: secondsOf(stat) }];
  });
}

function secondsOf(stat) {
  const fields = STAT.exec(stat)[2].split(' ');
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND;
}

/** Undefined where the thread has ended meanwhile. */
function statOf(pid, thread) {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
  } catch {
    return undefined;
  }
}

/** By the threads' names, several of one name together. */
function cpuSince(before, after) {
  const earlier = new Map(before.map(({ thread, seconds }) => [thread, seconds]));
  const spent = {};
  for (const { thread, name, seconds } of after) {
    spent[name] = (spent[name] ?? 0) + seconds - (earlier.get(thread) ?? 0);
  }
  return spent;
}

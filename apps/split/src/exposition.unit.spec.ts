import { describe, expect, it } from '@jest/globals';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { mergeExpositions } from './exposition.js';

async function scraped(seconds: number, more = ''): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const duration = new Histogram({
    name: 'request_duration_seconds',
    help: 'Time of a request, in "seconds"\\with {braces}\nand lines.',
    labelNames: ['route'],
    buckets: [0.1, 1],
    registers,
  });
  duration.observe({ route: '/v1/users/{id} "x"' }, seconds);
  new Gauge({ name: 'lag', help: 'Lag.', registers }).set(seconds);
  if (more) new Counter({ name: more, help: 'Only here.', registers }).inc();
  return registry.metrics();
}

/** A reader of the text format, which throws on what Prometheus refuses: a family told of twice or in two places. */
function parsed(text: string): Map<string, string[]> {
  const families = new Map<string, string[]>();
  let current = '';
  const seen = new Set<string>();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = ''] = /^# (HELP|TYPE) (\S+) ./.exec(line) ?? [];
    if (kind) {
      if (seen.has(`${kind} ${name}`)) throw new Error(`${kind} ${name} comes twice`);
      if (name !== current && families.has(name)) throw new Error(`${name} is in two places`);
      seen.add(`${kind} ${name}`);
      current = name;
      families.set(name, families.get(name) ?? []);
      continue;
    }
    const sample =
      /^([a-z_:]\w*)\{(\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*)\} (?:[\d.e+-]+|nan)$/i.exec(line);
    if (!sample?.[1]?.startsWith(current)) throw new Error(`not a sample of ${current}: ${line}`);
    if (seen.has(line)) throw new Error(`comes twice: ${line}`);
    seen.add(line);
    families.get(current)?.push(line);
  }
  return families;
}

describe('mergeExpositions', () => {
  it('given the same families of two services, then tells each once, with the samples of both', async () => {
    const texts = new Map([
      ['keys', await scraped(0.5)],
      ['budgets', await scraped(2, 'spent_total')],
    ]);
    const families = parsed(mergeExpositions(texts));
    expect(families.get('lag')).toEqual(['lag{service="keys"} 0.5', 'lag{service="budgets"} 2']);
    expect(families.get('spent_total')).toEqual(['spent_total{service="budgets"} 1']);
    const route = 'route="/v1/users/{id} \\"x\\""';
    expect(families.get('request_duration_seconds')).toEqual([
      `request_duration_seconds_bucket{service="keys",le="0.1",${route}} 0`,
      `request_duration_seconds_bucket{service="keys",le="1",${route}} 1`,
      `request_duration_seconds_bucket{service="keys",le="+Inf",${route}} 1`,
      `request_duration_seconds_sum{service="keys",${route}} 0.5`,
      `request_duration_seconds_count{service="keys",${route}} 1`,
      `request_duration_seconds_bucket{service="budgets",le="0.1",${route}} 0`,
      `request_duration_seconds_bucket{service="budgets",le="1",${route}} 0`,
      `request_duration_seconds_bucket{service="budgets",le="+Inf",${route}} 1`,
      `request_duration_seconds_sum{service="budgets",${route}} 2`,
      `request_duration_seconds_count{service="budgets",${route}} 1`,
    ]);
  });

  it('loses no sample of any service', async () => {
    const texts = new Map([
      ['keys', await scraped(1)],
      ['budgets', await scraped(2)],
    ]);
    const samples = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const given = [...texts.values()].flatMap(samples);
    expect(samples(mergeExpositions(texts))).toHaveLength(given.length);
    expect(given.length).toBeGreaterThan(60);
  });

  it('given empty braces, then puts the label into them', () => {
    const merged = mergeExpositions(new Map([['keys', '# TYPE up gauge\nup{} 1\n']]));
    expect(merged).toBe('# TYPE up gauge\nup{service="keys"} 1\n');
  });
});

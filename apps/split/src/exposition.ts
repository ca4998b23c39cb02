interface Family {
  /** Its HELP and TYPE lines, by their kind. */
  head: Map<string, string>;
  samples: string[];
}

const COMMENT = /^# (HELP|TYPE) (\S+)/;
/** A sample's name, and the labels when there are any. */
const SAMPLE = /^([a-zA-Z_:][\w:]*)(\{\}?)?/;

/**
 * Puts metrics of several services together (Prometheus text format 0.0.4): each sample is labelled with its service,
 * and each family is told of once, as the first service has it.
 */
export function mergeExpositions(texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, Family>();
  for (const [service, text] of texts) addFamilies(families, service, text);
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head.values(), ...samples]);
  return lines.map((line) => `${line}\n`).join('');
}

function addFamilies(families: Map<string, Family>, service: string, text: string): void {
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    const [, kind, name] = COMMENT.exec(line) ?? [];
    if (kind && name) {
      current = families.get(name) ?? { head: new Map(), samples: [] };
      families.set(name, current);
      if (!current.head.has(kind)) current.head.set(kind, line);
    } else if (current && SAMPLE.test(line)) {
      current.samples.push(line.replace(SAMPLE, (_, sample, labels) => labelled(sample, service, labels)));
    }
  }
}

function labelled(sample: string, service: string, labels: string | undefined): string {
  const label = `${sample}{service="${service}"`;
  return labels === '{' ? `${label},` : `${label}}`;
}

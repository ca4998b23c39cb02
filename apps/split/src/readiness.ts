type Status = 'up' | 'down';

/** What a service answers to `/health/ready`. */
export interface Readiness {
  status: Status;
  parts: { name: string; status: Status }[];
  projections: object[];
  consumers: object[];
  identifier_collisions: object[];
}

/** The services' answers as one; undefined stands for a service that does not answer. */
export function mergeReadiness(answers: ReadonlyMap<string, Readiness | undefined>): Readiness {
  const all = [...answers];
  const given = all.flatMap(([, answer]) => answer ?? []);
  return {
    status: all.every(([, answer]) => answer?.status === 'up') ? 'up' : 'down',
    parts: all.flatMap(([service, answer]) =>
      answer
        ? answer.parts.map(({ name, status }) => ({ name: `${service}/${name}`, status }))
        : { name: service, status: 'down' as const },
    ),
    projections: given.flatMap(({ projections }) => projections),
    consumers: given.flatMap(({ consumers }) => consumers),
    identifier_collisions: given.flatMap(({ identifier_collisions }) => identifier_collisions),
  };
}

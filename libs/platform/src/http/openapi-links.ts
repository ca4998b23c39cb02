import type { OpenAPIObject } from '@nestjs/swagger';

/** Tells of each POST that makes something which operations take the id that it answers. */
export function linkWhatIsMade({ paths }: OpenAPIObject): void {
  for (const [path, item] of Object.entries(paths)) {
    const made = item?.post?.responses['201'];
    if (!made || '$ref' in made) continue;
    const takers = Object.entries(paths).flatMap(([taker, { get, patch, delete: remove, post, put } = {}]) =>
      [get, patch, remove, post, put].flatMap((operation) => {
        const parameters = operation && parametersOf(path, taker);
        return parameters
          ? [[operation.operationId ?? taker, { operationId: operation.operationId, parameters }]]
          : [];
      }),
    );
    if (takers.length > 0) made.links = Object.fromEntries(takers);
  }
}

/** Where the parameters of a path below `made/{…}` come from; undefined for other paths. */
function parametersOf(made: string, path: string): { [name: string]: string } | undefined {
  const below = path.startsWith(`${made}/{`) ? path.slice(made.length + 1) : '';
  const [, own, ...others] = /^\{(\w+)\}(?:\/(?!.*\{).*)?$/.exec(below) ?? [];
  if (own === undefined || others.length > 0) return undefined;
  const given = [...made.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [name, `$request.path.${name}`]);
  return Object.fromEntries([...given, [own, '$response.body#/id']]);
}

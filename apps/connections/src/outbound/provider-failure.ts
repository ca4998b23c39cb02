/**
 * A provider did not do what it was asked. `reason` is a code that may be shown and stored: one of ours or an
 * error code of OAuth, never a text that the provider wrote.
 */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure';
  constructor(
    readonly reason: string,
    /** The same request may fare better in a moment. */
    readonly isPassing = false,
  ) {
    super(reason);
  }
}

/** RFC 6749 allows more characters, but no registered code has them. */
const CODE = /^[a-z][a-z_]{0,39}$/;

export const reasonOf = (code: unknown): string =>
  typeof code === 'string' && CODE.test(code) ? code : 'provider_error';

/** The failure that an error of a client library stands for, also where it is wrapped. */
export function failureIn(error: unknown): ProviderFailure | undefined {
  for (let cause = error; cause; cause = (cause as { cause?: unknown }).cause) {
    if (cause instanceof ProviderFailure) return cause;
  }
  return undefined;
}

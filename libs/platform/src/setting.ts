/** A setting that is wrong; the message names the variable and the cause, never the value. */
export class InvalidSetting extends Error {
  override readonly name = 'InvalidSetting';
  constructor(variable: string, cause: string) {
    super(`${variable}: ${cause}`);
  }
}

export function readInteger(
  env: NodeJS.ProcessEnv,
  variable: string,
  range: { default: number; min: number; max: number },
): number {
  const text = env[variable];
  if (!text) return range.default;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < range.min || value > range.max) {
    throw new InvalidSetting(variable, `must be a whole number from ${range.min} to ${range.max}`);
  }
  return value;
}

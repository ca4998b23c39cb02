const REFERENCE_BYTES = 8;
const OBJECT_BYTES = 32;
const ENTRY_BYTES = 24;

/** About how many bytes a state takes in memory: plain objects, lists and Maps of JSON values. */
export function sizeOf(value: unknown): number {
  if (typeof value === 'string') return OBJECT_BYTES + value.length;
  if (typeof value !== 'object' || value === null) return REFERENCE_BYTES;
  let bytes = OBJECT_BYTES;
  if (Array.isArray(value)) {
    for (const entry of value) bytes += REFERENCE_BYTES + sizeOf(entry);
  } else if (value instanceof Map) {
    for (const [key, entry] of value) bytes += ENTRY_BYTES + sizeOf(key) + sizeOf(entry);
  } else {
    const fields = value as Record<string, unknown>;
    for (const key of Object.keys(fields)) bytes += ENTRY_BYTES + key.length + sizeOf(fields[key]);
  }
  return bytes;
}

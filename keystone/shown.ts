/** Longest text of an expected or found value; a report is for reading. */
const MAX_SHOWN = 160;

/** A value as text that is safe to print and short enough to read. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, decimalBigints) ?? 'nothing');
  // A report is printed on terminals, and a pack is foreign input: neither escape sequences nor marks that turn the
  // direction of writing may reach the screen.
  const printable = text.replaceAll(/\p{C}/gu, '\uFFFD');
  return printable.length > MAX_SHOWN ? `${printable.slice(0, MAX_SHOWN)}…` : printable;
}

/** `JSON.stringify` throws on a bigint, and a report must not fail while it says what is wrong. */
function decimalBigints(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

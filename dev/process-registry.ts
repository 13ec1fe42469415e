import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

import { endLeftover, type ProcessRecord } from './processes.ts';

/** Remembers in a file which processes a launcher started, so that the next one can end them after a `kill -9`. */
export interface ProcessRegistry {
  /** Adds a process; one of the same name replaces it (a restart). */
  readonly remember: (record: ProcessRecord) => void;
  processes(): readonly ProcessRecord[];
  /** Calls the listener after every later `remember`. */
  onChange(listener: (records: readonly ProcessRecord[]) => void): void;
  /** Ends, in reverse order of their start, all processes that the file names and that are still the same ones. Answers their names. */
  endLeftovers(): Promise<string[]>;
}

export function createProcessRegistry(file: string): ProcessRegistry {
  let records: ProcessRecord[] = read(file);
  const listeners: ((records: readonly ProcessRecord[]) => void)[] = [];

  function write(): void {
    // Renamed into place: half a file would hide the leftovers that it names.
    writeFileSync(`${file}.new`, `${JSON.stringify(records, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  return {
    remember(record) {
      records = [...records.filter((other) => other.name !== record.name), record];
      write();
      for (const listener of listeners) listener(records);
    },
    processes: () => records,
    onChange: (listener) => {
      listeners.push(listener);
    },
    async endLeftovers() {
      const ended: string[] = [];
      for (const record of records.toReversed()) {
        // PostgreSQL's SIGTERM waits for its clients; SIGINT does not, and all our processes understand it.
        if (await endLeftover(record, 'SIGINT')) ended.push(record.name);
      }
      records = [];
      write();
      return ended;
    },
  };
}

function read(file: string): ProcessRecord[] {
  if (!existsSync(file)) return [];
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(content) ? content.filter(isRecord) : [];
  } catch {
    // Not ours to understand any more; ports move, so a survivor that we no longer know does not stop the start.
    return [];
  }
}

function isRecord(value: unknown): value is ProcessRecord {
  const record = value as Partial<ProcessRecord> | null;
  return typeof record?.name === 'string' && Number.isInteger(record.pid) && typeof record.startedAt === 'string';
}

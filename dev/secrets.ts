import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createExclusively } from './exclusive-file.ts';

/** Keys and passwords of the development stack: random, made once, one file each with mode 0600. Never printed, never on a command line. */
export interface SecretStore {
  /** The secret of that name; made on first use. */
  get(name: string, make: () => string): string;
  /** Path of the file, for a process that reads it itself. */
  file(name: string): string;
}

export function createSecretStore(directory: string): SecretStore {
  const file = (name: string): string => join(directory, name);
  return {
    file,
    get(name, make) {
      if (!existsSync(file(name))) createExclusively(file(name), make());
      return readFileSync(file(name), 'utf8').trim();
    },
  };
}

/** 32 random bytes as `0x…`: a private key of an EVM account, except with a chance of 2^-128. */
export function randomPrivateKey(): string {
  return `0x${randomBytes(32).toString('hex')}`;
}

/** 32 random bytes in hex. */
export function randomHex(): string {
  return randomBytes(32).toString('hex');
}

/** A secret in the form that Standard Webhooks prescribes. */
export function randomWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

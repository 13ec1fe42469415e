import { createAttest } from './attest.ts';
import { createCarry } from './carry.ts';
import { createConclude } from './conclude.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { createFinalise } from './finalise.ts';
import { withNativeSigning } from './native-signing.ts';
import { createOpen } from './open.ts';
import { createRegister } from './register.ts';
import { createScreen } from './screen.ts';
import type { SettlementActivities } from './settlement-activities.ts';

/** The settlement's business steps with their dependencies. */
export function createSettlementActivities(given: ActivityDependencies): SettlementActivities {
  const dependencies = { ...given, signingKey: withNativeSigning(given.signingKey) };
  return {
    register: createRegister(dependencies),
    screen: createScreen(dependencies),
    attest: createAttest(dependencies),
    open: createOpen(dependencies),
    finalise: createFinalise(dependencies),
    carry: createCarry(dependencies),
    conclude: createConclude(dependencies),
  };
}

import { Inject, Injectable } from '@nestjs/common';
import { Aggregates } from '#event-store';
import type { Clock, CommandContext, MicroUsd } from '#kernel';
import { type BudgetTerms, CLOCK, KEY_STORE } from '#platform';
import type { SubjectKeyStore } from '#privacy';
import { budget } from '../domain/budget.decide.js';
import type { BudgetEvent, BudgetState, ChangeCommand, Described, Entry, Opening } from '../domain/budget.js';

/** Whose budget it is, and what it opens with where it is not open yet. */
export interface BudgetOwner {
  platformId: string;
  tenantId: string;
  userId: string;
  /** When the user was made, RFC 3339 UTC. */
  createdAt: string;
  openingBudget: BudgetTerms | null;
}

/** A row that was added to the ledger. */
export interface Transaction {
  id: string;
  /** Signed. */
  amount: MicroUsd;
  balance: MicroUsd;
  description: string | null;
  /** RFC 3339 UTC. */
  at: string;
  position: bigint;
}

export interface LedgerResult {
  state: BudgetState;
  /** What the command added, in order; empty where nothing changed. */
  events: readonly BudgetEvent[];
  position: bigint;
}

type WithoutOwner<Command> = Command extends ChangeCommand
  ? Omit<Command, 'platform_id' | 'tenant_id' | 'opening' | 'subject_key' | 'at'>
  : never;

/** A command without what is the same for all: whose budget it is, when, and what it opens with. */
export type LedgerCommand = WithoutOwner<ChangeCommand>;

/**
 * Runs commands on budgets. The budget that a user has from the start is opened by whatever comes first: the
 * message of the user's creation, a command or a read. It opens in the same words each time.
 */
@Injectable()
export class BudgetLedger {
  constructor(
    private readonly aggregates: Aggregates,
    @Inject(KEY_STORE) private readonly keys: SubjectKeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Throws what the budget's `decide` throws. */
  async execute(owner: BudgetOwner, command: LedgerCommand, context: CommandContext): Promise<LedgerResult> {
    const { platformId: platform_id, tenantId: tenant_id, userId } = owner;
    const known = await this.aggregates.peek(budget, userId);
    // A budget that was opened never becomes absent again, so only one that is absent may need a key.
    const subject_key = known.state.lifecycle === 'absent' ? await this.keys.assign() : '';
    const opening = openingOf(owner, subject_key);
    const at = this.clock.now().toISOString();
    const whole = { ...command, platform_id, tenant_id, subject_key, at, ...(opening && { opening }) };
    return this.aggregates.execute(budget, userId, whole, { context });
  }

  /** The same for commands that always add a row, which is their last. */
  async add(owner: BudgetOwner, command: LedgerCommand, context: CommandContext): Promise<Transaction> {
    const { events, position } = await this.execute(owner, command, context);
    const last = events.at(-1);
    if (!last) throw new Error(`${command.kind} added nothing to the ledger`);
    const said: Entry & Pick<Described, 'personal'> & { transaction_id?: string; hold_id?: string } =
      last.data;
    const id = said.transaction_id ?? said.hold_id;
    if (id === undefined) throw new Error(`${last.type} has no id`);
    const { amount_micro_usd: amount, balance_after_micro_usd: balance, at, personal } = said;
    return { id, amount, balance, description: personal?.description ?? null, at, position };
  }
}

function openingOf({ platformId, tenantId, createdAt, openingBudget }: BudgetOwner, subjectKey: string) {
  if (!openingBudget) return undefined;
  return {
    platform_id: platformId,
    tenant_id: tenantId,
    limit_micro_usd: openingBudget.limit,
    period: openingBudget.period,
    subject_key: subjectKey,
    at: createdAt,
  } satisfies Opening;
}

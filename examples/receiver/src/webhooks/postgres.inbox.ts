/** An inbox in PostgreSQL, for any number of processes. */
import type { Inbox } from './inbox';

// #region postgres
/** As much of a database as is needed here: a few lines around `pg`, Prisma or TypeORM. */
export interface Transaction {
  query(sql: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

export interface Database {
  /** Commits when `work` has ended well, and rolls back when it throws. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

export const TABLE = `
  create table if not exists webhooks_taken (
    webhook_id text primary key,
    taken_at timestamptz not null default now()
  )`;

/** From time to time; a day longer than a queue keeps a message. */
export const FORGET = `delete from webhooks_taken where taken_at < now() - interval '15 days'`;

export class PostgresInbox implements Inbox<Transaction> {
  constructor(private readonly database: Database) {}

  once(webhookId: string, work: (transaction: Transaction) => Promise<void>) {
    return this.database.transaction(async (transaction) => {
      // If another transaction has just inserted the id, this waits until that one has ended.
      const { rows } = await transaction.query(
        `insert into webhooks_taken (webhook_id) values ($1)
         on conflict do nothing returning webhook_id`,
        [webhookId],
      );
      if (rows.length === 0) return 'repeated' as const;
      await work(transaction); // in the same transaction: a crash loses both, or neither
      return 'taken' as const;
    });
  }
}
// #endregion postgres

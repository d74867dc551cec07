/** Taking each webhook once, however often it is delivered. */

// #region inbox
export interface Inbox<Transaction = void> {
  /**
   * Does `work` and notes the id, both or neither. What was noted before isn't done again.
   *
   * While another delivery of the same id is at work, this one waits for what becomes of it.
   * What `work` throws is thrown on, and the id isn't noted.
   */
  once(
    webhookId: string,
    work: (transaction: Transaction) => Promise<void>,
  ): Promise<'taken' | 'repeated'>;
}
// #endregion inbox

export const INBOX = Symbol('INBOX');

// WaveFlow may tell of an event for as long as a queue keeps its message, which is 14 days.
const KEPT_MS = 15 * 24 * 3600 * 1000;

// #region in-memory
/** For one process, and until it ends. With several, or to survive a restart: a database. */
export class InMemoryInbox implements Inbox {
  private readonly taken = new Map<string, number>();
  private readonly atWork = new Map<string, Promise<void>>();

  constructor(private readonly now: () => number = Date.now) {}

  async once(webhookId: string, work: () => Promise<void>): Promise<'taken' | 'repeated'> {
    // In a loop: of several that wait for one that fails, the first to wake goes to work.
    for (let other; (other = this.atWork.get(webhookId)); ) {
      await other.catch(() => undefined); // told to the one who did it
    }
    this.forget();
    if (this.taken.has(webhookId)) return 'repeated';
    const mine = work();
    this.atWork.set(webhookId, mine);
    try {
      await mine;
      this.taken.set(webhookId, this.now());
      return 'taken';
    } finally {
      this.atWork.delete(webhookId);
    }
  }

  private forget(): void {
    const before = this.now() - KEPT_MS;
    for (const [id, takenAt] of this.taken) {
      if (takenAt >= before) return; // the rest came later
      this.taken.delete(id);
    }
  }
}
// #endregion in-memory

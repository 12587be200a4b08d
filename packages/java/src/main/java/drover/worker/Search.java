package drover.worker;

import java.util.OptionalLong;

/** What to do after each try to find a successor of the master. All times are milliseconds of one clock. */
final class Search {
    static final long[] PAUSES_MS = {10, 50, 100}; // between the first tries
    private static final long LONG_PAUSE_MS = 200;
    private static final long MENDING_MS = 1000; // for so long somebody may be mending a socket that refuses
    private static final long LEAST_GRACE_MS = 1000;
    private static final long MOST_GRACE_MS = 1L << 50; // sums of it are numbers still

    private final long grace;
    private final long until;
    private boolean wasHeld;
    private boolean isRefused;
    private long refusedSince;
    private int tries;

    /** Of a connection that has ended at this moment. */
    Search(long ended, long grace) {
        this.grace = grace;
        until = ended + grace;
    }

    /** How long a worker without a master has. The limits are unsigned. */
    static long grace(long drainTimeoutMs, long quitTimeoutMs) {
        boolean isEndless = drainTimeoutMs < 0 || quitTimeoutMs < 0 || drainTimeoutMs > MOST_GRACE_MS || quitTimeoutMs > MOST_GRACE_MS;
        return isEndless ? MOST_GRACE_MS : Math.max(drainTimeoutMs + quitTimeoutMs, LEAST_GRACE_MS);
    }

    /** Nobody comes who has not come by then. */
    long until() {
        return until;
    }

    /** Somebody holds the socket. */
    void isHeld() {
        wasHeld = true;
        isRefused = false;
    }

    /** Nobody holds it: how long to wait before the next try; empty: the master is dead. */
    OptionalLong refused(long now) {
        if (!isRefused) {
            isRefused = true;
            refusedSince = now;
        }
        return pause(now, Math.min(until, refusedSince + Math.min(MENDING_MS, grace / 2)));
    }

    /** Nothing is known by this try: as above. */
    OptionalLong failed(long now) {
        return pause(now, until);
    }

    /** Until when a worker may finish its work that gives up now. */
    long leavesBy(long now) {
        return wasHeld ? now + grace : until;
    }

    private OptionalLong pause(long now, long end) {
        long pause = tries < PAUSES_MS.length ? PAUSES_MS[tries] : LONG_PAUSE_MS;
        tries++;
        return now + pause < end ? OptionalLong.of(pause) : OptionalLong.empty();
    }
}

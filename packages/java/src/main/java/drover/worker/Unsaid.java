package drover.worker;

import drover.v1.Worker.Extend;
import drover.v1.Worker.WorkerFrame;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** What could not be said without a connection, and is to be said on the next one: of each kind the newest. To be used under one lock. */
final class Unsaid {
    private final Map<WorkerFrame.BodyCase, WorkerFrame.Builder> frames = new EnumMap<>(WorkerFrame.BodyCase.class);
    private long neededUntil; // by System.nanoTime()
    private boolean needsTime;

    void add(WorkerFrame.Builder frame) {
        frames.put(frame.getBodyCase(), frame);
    }

    /** So much time from now on is needed; it never makes a deadline shorter. */
    void needs(long timeoutMs) {
        long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
        neededUntil = needsTime && neededUntil - until > 0 ? neededUntil : until;
        needsTime = true;
    }

    /** What is left of the time that is needed is told; `tells` says whether it could. */
    void extend(Predicate<WorkerFrame.Builder> tells) {
        long more = TimeUnit.NANOSECONDS.toMillis(neededUntil - System.nanoTime());
        needsTime = needsTime && more > 0 && !tells.test(WorkerFrame.newBuilder().setExtend(Extend.newBuilder().setTimeoutMs(more)));
    }

    /** All else is told. */
    void say(Predicate<WorkerFrame.Builder> tells) {
        frames.values().removeIf(tells);
    }
}

package drover.worker;

import java.util.List;

/** Where a worker is in its life: what the master may ask of it, and what it owes. To be used under one lock. */
final class Life {
    enum State { STARTING, STARTED, STOPPING, STOPPED, LEAVING, LEFT }

    private State state = State.STARTING;
    private long asked; // the seq of what the master has asked for last
    private State next; // and what that was to lead to; null: it was nothing
    private boolean mayRepeat;

    State state() {
        return state;
    }

    /** The seq that an answer has to name. */
    long asked() {
        return asked;
    }

    /** The master asks for this; whether it may now. If so, the worker is on its way. */
    boolean asks(long seq, State next, State... from) {
        if (!List.of(from).contains(state)) return false;
        state = next;
        this.next = next;
        asked = seq;
        mayRepeat = false;
        return true;
    }

    /** The worker says that a step is done; whether it is not too late for that. */
    boolean says(State in, State next) {
        if (state != in) return false;
        state = next;
        return true;
    }

    /** There is another connection: what the master has asked for last may come again. */
    void reconnected() {
        mayRepeat = true;
    }

    /** Whether the master asks for this only because there is another connection: then this seq is the one to answer. */
    boolean repeats(long seq, State next) {
        if (!mayRepeat || this.next != next) return false;
        mayRepeat = false;
        asked = seq;
        return true;
    }

    /** Whether it is started, and has never rested. */
    boolean hasStartedUnasked() {
        return state == State.STARTED && next == null;
    }
}

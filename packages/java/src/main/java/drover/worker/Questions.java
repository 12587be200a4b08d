package drover.worker;

import drover.v1.Worker.MasterFrame;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** What this worker has asked, and what is not answered yet. To be used under one lock. */
final class Questions {
    private final Map<Long, CompletableFuture<MasterFrame>> open = new HashMap<>();
    private long last;

    /** The seq of one more, whose answer this gets. */
    long ask(CompletableFuture<MasterFrame> waiting) {
        open.put(++last, waiting);
        return last;
    }

    void forget(long seq) {
        open.remove(seq);
    }

    void answered(MasterFrame frame) {
        CompletableFuture<MasterFrame> waiting = open.remove(frame.getReplyTo());
        String code = frame.getError().getCode().name().replace("ERROR_CODE_", "");
        if (waiting != null && frame.hasError()) {
            waiting.completeExceptionally(new DroverWorker.BusException(code, frame.getError().getMessage()));
        } else if (waiting != null) {
            waiting.complete(frame);
        } else if (frame.hasError()) {
            System.err.println("the master answers: " + code + " " + frame.getError().getMessage());
        }
    }

    /** The connection has ended. */
    void giveUp() {
        open.values().forEach(waiting -> waiting.completeExceptionally(
                new DroverWorker.BusException("FAILED", "the connection to the master has ended")));
        open.clear();
    }
}

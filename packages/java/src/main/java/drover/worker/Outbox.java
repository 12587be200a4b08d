package drover.worker;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Queue;

/** What the socket has not taken yet. To be used under one lock. */
final class Outbox {
    private final Queue<ByteBuffer> frames = new ArrayDeque<>();
    private long bytes;

    void add(ByteBuffer frame) {
        frames.add(frame);
        bytes += frame.remaining();
    }

    /** Sends what the socket takes. */
    void flush(SocketChannel channel) throws IOException {
        for (ByteBuffer next; (next = frames.peek()) != null; ) {
            bytes -= channel.write(next);
            if (next.hasRemaining()) return;
            frames.remove();
        }
    }

    void clear() {
        frames.clear();
        bytes = 0;
    }

    boolean isEmpty() {
        return frames.isEmpty();
    }

    long bytes() {
        return bytes;
    }
}

package drover.worker;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.nio.ByteBuffer;

/** Frames of drover.v1: a length, and a message of so many bytes. */
final class Frames {
    /** Of a frame, before Welcome tells it. */
    static final int MAX_BYTES = 1_114_112;

    private Frames() {}

    /** A message as a frame: its length in front. */
    static ByteBuffer encode(Message message) {
        byte[] bytes = message.toByteArray();
        return ByteBuffer.allocate(4 + bytes.length).putInt(bytes.length).put(bytes).flip();
    }

    /** The next whole message in a buffer to be read, taken out of it; null if there is none yet. */
    static ByteBuffer decode(ByteBuffer buffer, int limit) throws InvalidProtocolBufferException {
        if (buffer.remaining() < 4) return null;
        int length = buffer.getInt(buffer.position());
        if (length < 0 || length > limit) {
            throw new InvalidProtocolBufferException("not a frame, or one of more than " + limit + " bytes: " + length);
        }
        if (buffer.remaining() < 4 + length) return null;
        ByteBuffer message = buffer.slice(buffer.position() + 4, length);
        buffer.position(buffer.position() + 4 + length);
        return message;
    }

    /** A buffer with what is left of one that was read, to be filled on, and with room for the whole of the next frame. */
    static ByteBuffer roomFor(ByteBuffer rest) {
        int needed = rest.remaining() < 4 ? 4 : 4 + rest.getInt(rest.position());
        return needed > rest.capacity() ? ByteBuffer.allocate(needed).put(rest) : rest.compact();
    }
}

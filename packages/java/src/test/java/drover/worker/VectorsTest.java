package drover.worker;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;

/** The golden frames of proto/vectors/v1: what is legal decodes to its JSON twin, what is refused is refused. `examples/workers/java/run --test`. */
final class VectorsTest {
    public static void main(String[] args) throws Exception {
        int passed = 0;
        for (String file : List.of("handshake", "worker", "control", "compatibility", "refused")) {
            for (String line : Files.readAllLines(Path.of("proto/vectors/v1", file + ".jsonl"))) {
                JsonObject vector = JsonParser.parseString(line).getAsJsonObject();
                check(file.equals("refused"), vector);
                passed++;
            }
        }
        System.out.println(passed + " passed, 0 failed");
    }

    private static void check(boolean isRefused, JsonObject vector) throws Exception {
        String name = vector.get("name").getAsString();
        byte[] frame = HexFormat.of().parseHex(vector.get("hex").getAsString());
        Message decoded;
        try {
            decoded = decode(vector, ByteBuffer.wrap(frame));
        } catch (InvalidProtocolBufferException error) {
            if (isRefused) return;
            throw new AssertionError(name, error);
        }
        if (isRefused) throw new AssertionError(name + " is not refused: " + decoded);
        var twin = vector.get("json");
        var printed = JsonParser.parseString(JsonFormat.printer().print(decoded));
        if (!printed.equals(twin)) throw new AssertionError(name + ": " + printed + " instead of " + twin);
        if (decode(vector, ByteBuffer.wrap(frame, 0, frame.length - 1)) != null) throw new AssertionError(name + " is cut short");
    }

    /** The message in a frame; null if it is cut short. */
    private static Message decode(JsonObject vector, ByteBuffer frame) throws Exception {
        String type = vector.get("message").getAsString();
        ByteBuffer bytes = Frames.decode(frame, type.startsWith("Control") ? 4_194_304 : 1_114_112);
        if (bytes == null) return null;
        for (String outer : List.of("Handshake", "Worker", "Control")) {
            for (Class<?> inner : Class.forName("drover.v1." + outer).getClasses()) {
                if (inner.getSimpleName().equals(type)) {
                    Message message = (Message) inner.getMethod("getDefaultInstance").invoke(null);
                    return message.getParserForType().parseFrom(com.google.protobuf.ByteString.copyFrom(bytes));
                }
            }
        }
        throw new AssertionError("no message " + type);
    }
}

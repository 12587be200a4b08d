package drover.worker;

import com.google.protobuf.InvalidProtocolBufferException;
import drover.v1.Handshake.Hello;
import drover.v1.Handshake.HelloReply;
import drover.v1.Handshake.RejectCode;
import drover.v1.Handshake.Sdk;
import drover.v1.Handshake.Welcome;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.util.List;

/** A connection that stands, whose channel does not block; and what came together with Welcome, in a buffer to be filled on. */
record Connection(SocketChannel channel, Welcome welcome, ByteBuffer received) {
    /** The master does not want this worker, or not yet: if it is final, to ask again is of no use. */
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;
        final boolean isFinal;

        Refused(String reason, boolean isFinal) {
            super(reason.isEmpty() ? "no reason given" : reason);
            this.isFinal = isFinal;
        }
    }

    /** The first one. Where it ends without an answer it is made again: a successor of a master that has died holds the path already. */
    static Connection first(String path, String token) throws IOException, Refused {
        for (long pauseMs : Search.PAUSES_MS) {
            SocketChannel channel = dial(path);
            try {
                return introduce(channel, token, 0);
            } catch (InvalidProtocolBufferException noAnswer) {
                throw noAnswer;
            } catch (IOException ended) {
                try {
                    Thread.sleep(pauseMs);
                } catch (InterruptedException impossible) {
                    throw new IllegalStateException(impossible);
                }
            }
        }
        return introduce(dial(path), token, 0);
    }

    /** A connection on which nothing has been said. It never waits: a full queue is an error, too. */
    static SocketChannel dial(String path) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.configureBlocking(false);
            if (!channel.connect(UnixDomainSocketAddress.of(path))) throw new IOException("the queue is full");
            return channel;
        } catch (IOException | RuntimeException error) {
            channel.close();
            throw error;
        }
    }

    /** The handshake, for so long at most; 0: for as long as it takes. The channel is closed if it does not come to an end. */
    static Connection introduce(SocketChannel channel, String token, long waitsMs) throws IOException, Refused {
        try {
            return introduced(channel, token, waitsMs);
        } catch (IOException | Refused | RuntimeException error) {
            channel.close();
            throw error;
        }
    }

    private static Connection introduced(SocketChannel channel, String token, long waitsMs) throws IOException, Refused {
        Hello hello = Hello.newBuilder().setMinVersion(1).setMaxVersion(1).setToken(token)
                .setPid((int) ProcessHandle.current().pid()).addAllCapabilities(List.of("resume", "bus"))
                .setSdk(Sdk.newBuilder().setName("packages/java").setVersion(DroverWorker.VERSION).setLanguage("java")).build();
        try {
            channel.write(Frames.encode(hello)); // a new socket takes it whole
        } catch (IOException refused) {
            // It may have been refused before: the reason is there to be read.
        }
        ByteBuffer received = ByteBuffer.allocate(64 * 1024);
        HelloReply reply = null;
        long begin = System.nanoTime();
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            while (reply == null) {
                long left = waitsMs - (System.nanoTime() - begin) / 1_000_000;
                if (waitsMs == 0) selector.select();
                else if (left <= 0 || selector.select(left) == 0) throw new IOException("the master does not answer");
                selector.selectedKeys().clear();
                if (channel.read(received) < 0) throw new EOFException("no reason given");
                ByteBuffer message = Frames.decode(received.flip(), Frames.MAX_BYTES);
                if (message != null) reply = HelloReply.parseFrom(message);
                received = message == null ? Frames.roomFor(received) : received.compact();
            }
        }
        if (reply.getWelcome().getVersion() == 1) return new Connection(channel, reply.getWelcome(), received);
        throw new Refused(reply.getReject().getMessage(), reply.getReject().getCode() != RejectCode.REJECT_CODE_TOKEN_IN_USE);
    }
}

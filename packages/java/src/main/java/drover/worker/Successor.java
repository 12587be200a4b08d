package drover.worker;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * After the end of a connection: a keeper may hold the master's socket until a successor of the master accepts, or the master is dead. It
 * ends the process of a worker that does not finish in time, whatever hangs.
 */
final class Successor {
    private static final int ORPHANED = 70; // the exit code of a process that has not finished in time

    private final String path;
    private final String token;
    private int fuse; // which one burns

    /** Of the master whose socket this is, for the worker with this token. */
    Successor(String path, String token) {
        this.path = path;
        this.token = token;
    }

    /** Has the process end after this time, unless there is a successor. */
    synchronized void burn(long leftMs) {
        int own = ++fuse;
        CompletableFuture.delayedExecutor(leftMs, TimeUnit.MILLISECONDS).execute(() -> {
            if (burns(own)) Runtime.getRuntime().halt(ORPHANED);
        });
    }

    private synchronized boolean burns(int own) {
        return own == fuse;
    }

    private synchronized void putOut() {
        fuse++;
    }

    /** The next connection, once it stands; it may take as long as this grace. Null: nobody comes, and the process has to end in time. */
    Connection await(long grace) {
        Search search = new Search(now(), grace);
        burn(grace);
        while (true) {
            OptionalLong pause;
            try {
                Connection found = seek(search);
                if (found != null) {
                    putOut();
                    return found;
                }
                pause = search.failed(now());
            } catch (Connection.Refused | InvalidProtocolBufferException refused) {
                System.err.println("the master does not take this worker back: " + refused.getMessage());
                pause = OptionalLong.empty();
            } catch (IOException unheld) {
                pause = search.refused(now());
            }
            if (pause.isEmpty()) {
                burn(search.leavesBy(now()) - now());
                return null;
            }
            try {
                Thread.sleep(pause.getAsLong());
            } catch (InterruptedException impossible) {
                throw new IllegalStateException(impossible);
            }
        }
    }

    /** Once: null if nothing is known by it; an IOException if nobody holds the socket; a refusal that is final. */
    private Connection seek(Search search) throws IOException, Connection.Refused {
        SocketChannel channel;
        try {
            channel = Connection.dial(path);
        } catch (ConnectException unheld) {
            throw unheld;
        } catch (IOException error) {
            if (!Files.exists(Path.of(path))) throw error;
            return null; // the queue of the socket is full, or this process lacks something
        }
        search.isHeld();
        // Whoever waits until the grace is over has another one to finish.
        burn(search.leavesBy(search.until()) - now());
        try {
            return Connection.introduce(channel, token, Math.max(1, search.until() - now()));
        } catch (InvalidProtocolBufferException noAnswer) {
            throw noAnswer;
        } catch (IOException ended) {
            return null;
        } catch (Connection.Refused refused) {
            if (refused.isFinal) throw refused;
            return null;
        }
    }

    private static long now() {
        return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
    }
}

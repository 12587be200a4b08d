package drover.worker;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.util.Collection;

/**
 * A socket that an HttpServer of the JDK listens on without having opened it. It has no method for that, so fields are set that are its
 * own; they are the same in the JDKs from 17 to 25.
 */
final class AdoptedSocket {
    private final SelectionKey key;
    private final Object server;
    private final Field exchanges;
    private final Collection<?> reading; // connections whose request has begun and is not read

    private AdoptedSocket(SelectionKey key, Object server) throws ReflectiveOperationException {
        this.key = key;
        this.server = server;
        exchanges = field(server, "exchangeCount");
        reading = (Collection<?>) field(server, "reqConnections").get(server);
    }

    /** Has a server that is not bound listen on a socket. */
    static AdoptedSocket of(HttpServer server, ServerSocketChannel socket) throws IOException {
        try {
            Object implementation = field(server, "server").get(server);
            Selector selector = (Selector) field(implementation, "selector").get(implementation);
            ((SelectionKey) field(implementation, "listenerKey").get(implementation)).cancel();
            ((ServerSocketChannel) field(implementation, "schan").get(implementation)).close();
            socket.configureBlocking(false); // another worker may be faster to accept
            SelectionKey key = socket.register(selector, SelectionKey.OP_ACCEPT);
            field(implementation, "schan").set(implementation, socket);
            field(implementation, "listenerKey").set(implementation, key);
            field(implementation, "bound").set(implementation, true);
            field(implementation, "address").set(implementation, socket.getLocalAddress());
            return new AdoptedSocket(key, implementation);
        } catch (ReflectiveOperationException | RuntimeException error) {
            throw new IOException("the HttpServer of Java " + Runtime.version() + " can't take over the master's socket", error);
        }
    }

    /** Whether connections are wanted from now on. The socket is never closed: Java would send stdout and stderr to /dev/null with it. */
    void accept(boolean isWanted) {
        key.interestOps(isWanted ? SelectionKey.OP_ACCEPT : 0);
        key.selector().wakeup();
    }

    /** Whether no request is under way. */
    boolean isIdle() {
        synchronized (server) {
            try {
                return exchanges.getInt(server) == 0 && reading.isEmpty();
            } catch (IllegalAccessException impossible) {
                throw new IllegalStateException(impossible);
            }
        }
    }

    private static Field field(Object object, String name) throws ReflectiveOperationException {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }
}

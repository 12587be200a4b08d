package drover.worker;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsServer;
import com.sun.net.httpserver.spi.HttpServerProvider;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;

/**
 * Has an {@link HttpServer} of the program serve on the master's socket: the one that is bound to the socket's port, or to port 0. Others
 * listen by themselves. {@link Agent} puts it in the place of the JDK's own.
 */
public final class HttpWorkers extends HttpServerProvider {
    private static final String PLAIN = "sun.net.httpserver.DefaultHttpServerProvider";

    private final HttpServerProvider plain;
    private final ServerSocketChannel socket;

    /** Takes the socket that is descriptor 0. */
    public HttpWorkers() throws IOException {
        if (!(System.inheritedChannel() instanceof ServerSocketChannel inherited)) {
            throw new IOException("the master has handed over no socket as descriptor 0: write `stdin = \"socket:NAME\"` for the app in drover.toml");
        }
        socket = inherited;
        try {
            plain = (HttpServerProvider) Class.forName(PLAIN).getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException error) {
            throw new IOException("Java " + Runtime.version() + " has no " + PLAIN, error);
        }
    }

    @Override
    public HttpServer createHttpServer(InetSocketAddress addr, int backlog) throws IOException {
        return new HttpWorker(this, plain.createHttpServer(null, backlog), addr, backlog);
    }

    @Override
    public HttpsServer createHttpsServer(InetSocketAddress addr, int backlog) throws IOException {
        return plain.createHttpsServer(addr, backlog);
    }

    /** The master's socket as that of this server, which is to be bound to this address; null where it is another's. */
    synchronized AdoptedSocket adopted(HttpServer server, InetSocketAddress addr) throws IOException {
        InetSocketAddress own = (InetSocketAddress) socket.getLocalAddress();
        if (addr.getPort() == own.getPort() || addr.getPort() == 0) return AdoptedSocket.of(server, socket);
        System.err.println("an HttpServer listens on port " + addr.getPort() + " by itself: the master's socket has the port " + own.getPort());
        return null;
    }
}

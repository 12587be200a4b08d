package drover.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import drover.v1.Handshake.Hello;
import drover.v1.Handshake.HelloReply;
import drover.v1.Handshake.Sdk;
import drover.v1.Handshake.Welcome;
import drover.v1.MessageOuterClass.Message;
import drover.v1.MessageOuterClass.Reply;
import drover.v1.MessageOuterClass.Scope;
import drover.v1.Types.Error;
import drover.v1.Types.ErrorCode;
import drover.v1.Types.Gauge;
import drover.v1.Worker.*;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * A worker of a Drover master: it takes over the master's socket, is ready when it says so, and is replaced without losing a request.
 *
 * <pre>
 * STARTING ──Started──► STARTED ──Stop──► STOPPING ──Stopped──► STOPPED ──Quit──► LEAVING ──ShutDown──► the end of run()
 *                          ▲──────── Started ◄── Resume ───────────┘
 * </pre>
 *
 * One loop accepts connections and hears the master, so a Ping is answered only while connections are accepted too. For a
 * {@link com.sun.net.httpserver.HttpServer} there is {@link HttpWorkers}, which needs none of this.
 */
public final class DroverWorker {
    /** The version of this library, which is that of Drover. */
    public static final String VERSION = "0.1.0";

    /** What the worker does. */
    public interface App {
        /** A client has connected. Runs on the loop, so it hands the work on and does not block. Not called without a listener. */
        default void connected(SocketChannel client) {
            throw new UnsupportedOperationException("this worker takes no connections");
        }

        /** No more clients come. Completed when what is under way is finished. */
        CompletableFuture<Void> stop();

        /** Clients come again, after a stop. */
        default void resume() {}

        /** A message; what it returns is the reply to a request, what it throws the Error. Runs on a thread of its own. */
        default byte[] message(DroverWorker worker, Message message) throws Exception {
            throw new BusException("UNIMPLEMENTED", "this worker takes no messages");
        }
    }

    /** What could not be done. */
    public static final class BusException extends RuntimeException {
        private static final long serialVersionUID = 1;
        /** A name of ErrorCode, without its prefix: "DEADLINE". */
        public final String code;

        /** With a code, and words for people. */
        public BusException(String code, String message) {
            super(message);
            this.code = code;
        }
    }

    private enum State { STARTING, STARTED, STOPPING, STOPPED, LEAVING, LEFT }

    private static final int MAX_FRAME_BYTES = 1_114_112; // before Welcome tells it
    private static final int WINDOW = 1 << 20; // bytes of messages that are under way in the application; more wait at the master
    private static final int MAX_UNSENT_BYTES = 16 << 20; // more messages are refused
    private static final int MESSAGE_THREADS = 8;

    private final App app;
    private final Selector selector = Selector.open();
    private final ServerSocketChannel listener; // null where somebody else accepts
    private SelectionKey accepting; // null likewise
    private final SocketChannel master; // null without one
    private final Welcome welcome;
    private final ExecutorService messages = Executors.newFixedThreadPool(MESSAGE_THREADS, task -> daemon(task, "messages"));
    private ByteBuffer received = ByteBuffer.allocate(64 * 1024);
    private volatile boolean isOver;

    // Shared with other threads, under the lock of this object.
    private final Queue<ByteBuffer> unsent = new ArrayDeque<>();
    private final Map<Long, CompletableFuture<MasterFrame>> pending = new HashMap<>();
    private long unsentBytes;
    private long lastSeq;
    private long consumed;
    private State state = State.STARTING;
    private long asked; // the seq of what the master has asked for last

    /**
     * Connects to the master, and accepts connections: at descriptor 0 if that is a socket (`stdin = "socket:http"` in drover.toml), else at
     * this port of 127.0.0.1. Without DROVER_SOCKET the worker runs alone.
     */
    public DroverWorker(App app, int port) throws IOException {
        this(app, System.inheritedChannel() instanceof ServerSocketChannel inherited
                ? inherited
                : ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", port), 1024));
    }

    /** Connects to the master, and leaves it to the app to accept connections, or to have none. */
    public DroverWorker(App app) throws IOException {
        this(app, null);
    }

    private DroverWorker(App app, ServerSocketChannel listener) throws IOException {
        this.app = app;
        this.listener = listener;
        String path = System.getenv("DROVER_SOCKET");
        master = path == null || path.isEmpty() ? null : SocketChannel.open(UnixDomainSocketAddress.of(path));
        welcome = master == null ? Welcome.getDefaultInstance() : handshake();
        if (listener != null) listener.configureBlocking(false); // another worker may be faster to accept
        if (master != null) {
            master.configureBlocking(false);
            master.register(selector, SelectionKey.OP_READ);
        }
    }

    /** Who this worker is. */
    public drover.v1.Handshake.Identity identity() {
        return welcome.getIdentity();
    }

    /** Serves until the master says Quit. Then the process may end. */
    public void run() throws IOException {
        if (listener != null) accepting = listener.register(selector, SelectionKey.OP_ACCEPT);
        if (master == null) {
            // SIGINT and SIGTERM begin the shutdown of the JVM, which waits for this.
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                accept(false);
                app.stop().join();
            }));
        } else if (welcome.getCapabilitiesList().contains("bus")) {
            tell(WorkerFrame.newBuilder().setConsumed(Consumed.newBuilder().setWindow(WINDOW)));
        }
        say(State.STARTING, State.STARTED, WorkerFrame.newBuilder().setStarted(Started.getDefaultInstance()));
        if (master != null) talk(master.keyFor(selector)); // what came together with Welcome
        while (!isOver || hasUnsent()) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key != accepting) talk(key);
                else if (key.isAcceptable()) accept();
            }
            selector.selectedKeys().clear();
        }
        if (master != null) master.close();
    }

    /** How this worker is: a line for people, requests under way, requests done since the process began, and readings of its own. */
    public void status(String text, long inFlight, long requests, Gauge... gauges) {
        tell(WorkerFrame.newBuilder().setStatus(
            Status.newBuilder().setText(text).setInFlight(inFlight).setRequests(requests).addAllGauges(List.of(gauges))));
    }

    /** For the watchdog (DROVER_WATCHDOG_MS): the work goes on. */
    public void progress() {
        tell(WorkerFrame.newBuilder().setProgress(Progress.getDefaultInstance()));
    }

    /** So much time from now on is needed for the step that is under way. */
    public void extend(long timeoutMs) {
        tell(WorkerFrame.newBuilder().setExtend(Extend.newBuilder().setTimeoutMs(timeoutMs)));
    }

    /** Sends a message and does not ask what becomes of it. */
    public void send(Message message) {
        needsBus();
        tell(WorkerFrame.newBuilder().setMessage(message));
    }

    /** The payload of the reply, or a BusException. `message` says how long it waits; not said: 30 s. */
    public byte[] request(Message message) {
        long waits = message.getTimeoutMs() == 0 ? 30_000 : message.getTimeoutMs();
        return ask(WorkerFrame.newBuilder().setMessage(message), waits).getReply().getPayload().toByteArray();
    }

    /** Sends to all workers that have subscribed to the topic; to how many it goes. */
    public int publish(String topic, byte[] payload) {
        Message message = message(topic, payload, Scope.SCOPE_SUBSCRIBERS).setConfirm(true).build();
        return ask(WorkerFrame.newBuilder().setMessage(message), 30_000).getAccepted().getDelivered();
    }

    /** From now on this worker is one of those that a publish of this topic goes to. */
    public void subscribe(String topic) {
        ask(WorkerFrame.newBuilder().setSubscribe(Subscribe.newBuilder().setTopic(topic)), 30_000);
    }

    /** Ends what subscribe began. */
    public void unsubscribe(String topic) {
        ask(WorkerFrame.newBuilder().setUnsubscribe(Unsubscribe.newBuilder().setTopic(topic)), 30_000);
    }

    /** The beginnings of a message; with SCOPE_WORKER or SCOPE_SLOT `setWorker` or `setSlot` says to whom. */
    public static Message.Builder message(String topic, byte[] payload, Scope scope) {
        return Message.newBuilder().setTopic(topic).setPayload(ByteString.copyFrom(payload)).setScope(scope);
    }

    /** A message as a frame: its length in front. */
    static ByteBuffer encode(com.google.protobuf.Message message) {
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

    /** Whether connections are wanted from now on. */
    private void accept(boolean isWanted) {
        if (accepting != null) accepting.interestOps(isWanted ? SelectionKey.OP_ACCEPT : 0);
    }

    private void accept() {
        if (accepting.interestOps() == 0) return; // the master has said Stop in the same turn
        try {
            SocketChannel client = listener.accept();
            if (client != null) app.connected(client);
        } catch (IOException gone) {
            System.err.println("a connection could not be accepted: " + gone.getMessage());
        }
    }

    private Welcome handshake() throws IOException {
        Hello hello = Hello.newBuilder().setMinVersion(1).setMaxVersion(1).setToken(System.getenv("DROVER_TOKEN"))
                .setPid((int) ProcessHandle.current().pid()).addAllCapabilities(List.of("resume", "bus"))
                .setSdk(Sdk.newBuilder().setName("packages/java").setVersion(VERSION).setLanguage("java")).build();
        try {
            master.write(encode(hello));
        } catch (IOException refused) {
            // It may have been refused before: the reason is there to be read.
        }
        ByteBuffer message = null;
        while (message == null && master.read(received) >= 0) {
            message = decode(received.flip(), MAX_FRAME_BYTES);
            if (message == null) received.compact();
        }
        HelloReply reply = message == null ? HelloReply.getDefaultInstance() : HelloReply.parseFrom(message);
        received.compact();
        if (reply.getWelcome().getVersion() == 1) return reply.getWelcome();
        String reason = reply.getReject().getMessage();
        System.err.println("the master refused this worker: " + (reason.isEmpty() ? "no reason given" : reason));
        System.exit(1);
        throw new IllegalStateException("exited");
    }

    private void talk(SelectionKey key) {
        try {
            flush();
            if (!key.isValid()) return;
            boolean isOpen = master.read(received) >= 0;
            received.flip();
            for (ByteBuffer bytes; (bytes = decode(received, welcome.getLimits().getMaxFrameBytes())) != null; ) {
                int length = bytes.remaining();
                take(MasterFrame.parseFrom(bytes), length);
            }
            ByteBuffer rest = received;
            int needed = rest.remaining() < 4 ? 4 : 4 + rest.getInt(rest.position());
            received = needed > rest.capacity() ? ByteBuffer.allocate(needed).put(rest) : rest.compact();
            if (!isOpen) lost(key);
        } catch (InvalidProtocolBufferException notAFrame) {
            System.err.println("the connection to the master is of no use any more: " + notAFrame.getMessage());
            refuse(0, "BAD_FRAME", notAFrame.getMessage());
            lost(key);
        } catch (IOException ended) {
            System.err.println("the connection to the master has ended: " + ended.getMessage());
            lost(key);
        }
    }

    private void take(MasterFrame frame, int length) throws IOException {
        long seq = frame.getSeq();
        switch (frame.getBodyCase()) {
            case PING -> tell(WorkerFrame.newBuilder().setReplyTo(seq).setPong(Pong.getDefaultInstance()));
            case MESSAGE -> messages.execute(() -> deliver(frame, length));
            case REPLY, ACCEPTED, ERROR -> answered(frame);
            case STOP -> {
                if (!asks(seq, State.STOPPING, State.STARTING, State.STARTED)) return;
                accept(false);
                app.stop().thenRun(this::sayStopped);
            }
            case RESUME -> {
                if (!asks(seq, State.STARTING, State.STOPPED)) return;
                app.resume();
                accept(true);
                say(State.STARTING, State.STARTED, WorkerFrame.newBuilder().setStarted(Started.getDefaultInstance()));
            }
            case QUIT -> leave(seq);
            default -> {
                if (frame.getMustUnderstand()) throw new IOException("the master sent what this worker does not know");
                if (frame.getExpectsReply()) refuse(seq, "UNIMPLEMENTED", "this worker does not know the body");
            }
        }
    }

    /** Whether the master may ask for this now; if so, the worker is on its way. */
    private synchronized boolean asks(long seq, State next, State... from) {
        if (!List.of(from).contains(state)) {
            refuse(seq, "BAD_STATE", "this worker is " + state);
            return false;
        }
        state = next;
        asked = seq;
        return true;
    }

    /** Without a Stop before it, a Quit is one. */
    private void leave(long seq) {
        State before;
        synchronized (this) {
            before = state;
            if (!asks(seq, State.LEAVING, State.STARTING, State.STARTED, State.STOPPING, State.STOPPED)) return;
        }
        accept(false);
        if (before == State.STOPPED) sayShutDown();
        else if (before != State.STOPPING) app.stop().thenRun(this::sayShutDown);
        // Else the stop that is under way says it.
    }

    private void sayStopped() {
        if (!say(State.STOPPING, State.STOPPED, WorkerFrame.newBuilder().setStopped(Stopped.getDefaultInstance()))) sayShutDown();
    }

    private void sayShutDown() {
        say(State.LEAVING, State.LEFT, WorkerFrame.newBuilder().setShutDown(ShutDown.getDefaultInstance()));
        isOver = true;
        selector.wakeup();
    }

    /** Says that a step is done. Who says it too late says nothing. */
    private synchronized boolean say(State in, State next, WorkerFrame.Builder frame) {
        if (state != in) return false;
        state = next;
        tell(frame.setReplyTo(asked));
        return true;
    }

    /** The master is gone, and nobody will say Stop or Quit any more. Whatever hangs, the process ends in time. */
    private void lost(SelectionKey key) {
        key.cancel();
        synchronized (this) {
            try {
                master.close();
            } catch (IOException closed) {
                // It is gone either way.
            }
            unsent.clear();
            pending.values().forEach(waiting -> waiting.completeExceptionally(new BusException("FAILED", "the connection to the master has ended")));
            if (state == State.LEAVING || state == State.LEFT) return;
        }
        long left = welcome.getLimits().getDrainTimeoutMs() + welcome.getLimits().getQuitTimeoutMs();
        CompletableFuture.delayedExecutor(left, TimeUnit.MILLISECONDS).execute(() -> Runtime.getRuntime().halt(70));
        leave(0);
    }

    private void deliver(MasterFrame frame, int length) {
        WorkerFrame.Builder answer = WorkerFrame.newBuilder().setReplyTo(frame.getSeq());
        try {
            byte[] payload = app.message(this, frame.getMessage());
            if (frame.getExpectsReply()) tell(answer.setReply(Reply.newBuilder().setPayload(ByteString.copyFrom(payload))));
        } catch (Exception error) { // whatever the application throws is the answer
            String code = error instanceof BusException refused ? refused.code : "FAILED";
            if (frame.getExpectsReply()) refuse(frame.getSeq(), code, String.valueOf(error.getMessage()));
            else System.err.println("message " + frame.getMessage().getTopic() + ": " + error);
        }
        synchronized (this) {
            consumed += length;
            if (consumed < WINDOW / 2) return;
            tell(WorkerFrame.newBuilder().setConsumed(Consumed.newBuilder().setBytes(consumed)));
            consumed = 0;
        }
    }

    private synchronized void answered(MasterFrame frame) {
        CompletableFuture<MasterFrame> waiting = pending.remove(frame.getReplyTo());
        String code = frame.getError().getCode().name().replace("ERROR_CODE_", "");
        if (waiting != null && frame.hasError()) waiting.completeExceptionally(new BusException(code, frame.getError().getMessage()));
        else if (waiting != null) waiting.complete(frame);
        else if (frame.hasError()) System.err.println("the master answers: " + code + " " + frame.getError().getMessage());
    }

    private MasterFrame ask(WorkerFrame.Builder frame, long timeoutMs) {
        needsBus();
        CompletableFuture<MasterFrame> waiting = new CompletableFuture<>();
        long seq;
        synchronized (this) {
            seq = ++lastSeq;
            pending.put(seq, waiting);
            tell(frame.setSeq(seq).setExpectsReply(true));
        }
        try {
            // The master answers in time; this is for one that hangs.
            return waiting.orTimeout(timeoutMs + 1000, TimeUnit.MILLISECONDS).join();
        } catch (CompletionException failed) {
            throw failed.getCause() instanceof BusException refused ? refused : new BusException("DEADLINE", "no answer from the master");
        } finally {
            synchronized (this) {
                pending.remove(seq);
            }
        }
    }

    private void needsBus() {
        if (!welcome.getCapabilitiesList().contains("bus")) throw new BusException("UNIMPLEMENTED", "there is no master that carries messages");
    }

    private void refuse(long seq, String code, String message) {
        Error.Builder error = Error.newBuilder().setCode(ErrorCode.valueOf("ERROR_CODE_" + code)).setMessage(message);
        tell(WorkerFrame.newBuilder().setReplyTo(seq).setError(error));
    }

    /** Sends at once what the socket takes, and leaves the rest to the loop. */
    private synchronized void tell(WorkerFrame.Builder frame) {
        if (master == null || !master.isOpen()) return;
        ByteBuffer bytes = encode(frame.build());
        int most = welcome.getLimits().getMaxFrameBytes();
        if (bytes.remaining() - 4 > most) throw new BusException("INVALID_ARGUMENT", "a frame is over the limit of " + most + " bytes");
        if (frame.hasMessage() && unsentBytes > MAX_UNSENT_BYTES) throw new BusException("BUSY", "the master does not take what was sent before");
        unsent.add(bytes);
        unsentBytes += bytes.remaining();
        flush();
    }

    private synchronized void flush() {
        try {
            for (ByteBuffer next; (next = unsent.peek()) != null && master.isOpen(); ) {
                unsentBytes -= master.write(next);
                if (next.hasRemaining()) break;
                unsent.remove();
            }
        } catch (IOException gone) {
            unsent.clear(); // the end of the stream says the rest
        }
        SelectionKey key = master.keyFor(selector);
        if (key == null || !key.isValid()) return;
        int ops = unsent.isEmpty() ? SelectionKey.OP_READ : SelectionKey.OP_READ | SelectionKey.OP_WRITE;
        if (key.interestOps() != ops) {
            key.interestOps(ops);
            selector.wakeup();
        }
    }

    private synchronized boolean hasUnsent() {
        return master != null && master.isOpen() && !unsent.isEmpty();
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }
}

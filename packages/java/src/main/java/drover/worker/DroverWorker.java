package drover.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import drover.v1.Handshake.Welcome;
import drover.v1.MessageOuterClass.Message;
import drover.v1.MessageOuterClass.Reply;
import drover.v1.MessageOuterClass.Scope;
import drover.v1.Types.Error;
import drover.v1.Types.ErrorCode;
import drover.v1.Types.Gauge;
import drover.v1.Worker.*;
import drover.worker.Life.State;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
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

    private static final int WINDOW = 1 << 20; // bytes of messages that are under way in the application; more wait at the master
    private static final int MAX_UNSENT_BYTES = 16 << 20; // more messages are refused
    private static final int MESSAGE_THREADS = 8;

    private final App app;
    private final Selector selector = Selector.open();
    private final ServerSocketChannel listener; // null where somebody else accepts
    private SelectionKey accepting; // null likewise
    private final Successor successor; // null without a master
    private final ExecutorService messages = Executors.newFixedThreadPool(MESSAGE_THREADS, task -> daemon(task, "messages"));
    private final Queue<Runnable> turns = new ConcurrentLinkedQueue<>(); // what the loop is to do, one at a time
    private ByteBuffer received;
    private volatile boolean isOver;

    // Shared with other threads, under the lock of this object.
    private SocketChannel master; // null without a connection
    private Welcome welcome = Welcome.getDefaultInstance();
    private int connections; // how many there were
    private final Life life = new Life();
    private final Questions questions = new Questions();
    private final Outbox unsent = new Outbox();
    private final Unsaid unsaid = new Unsaid();
    private final Set<String> topics = new TreeSet<>(); // of subscriptions
    private long consumed;

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
        String path = System.getenv().getOrDefault("DROVER_SOCKET", "");
        String token = System.getenv().getOrDefault("DROVER_TOKEN", "");
        successor = path.isEmpty() ? null : new Successor(path, token);
        if (listener != null) listener.configureBlocking(false); // another worker may be faster to accept
        if (successor == null) return;
        try {
            take(Connection.first(path, token));
        } catch (Connection.Refused | EOFException refused) {
            System.err.println("the master refused this worker: " + refused.getMessage());
            System.exit(1);
        }
    }

    /** Who this worker is. */
    public synchronized drover.v1.Handshake.Identity identity() {
        return welcome.getIdentity();
    }

    /** Serves until the master says Quit. Then the process may end. */
    public void run() throws IOException {
        if (listener != null) accepting = listener.register(selector, SelectionKey.OP_ACCEPT);
        if (successor == null) {
            // SIGINT and SIGTERM begin the shutdown of the JVM, which waits for this.
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                accept(false);
                app.stop().join();
            }));
        } else {
            sayWhatBelongsToAConnection();
        }
        say(State.STARTING, State.STARTED, WorkerFrame.newBuilder().setStarted(Started.getDefaultInstance()));
        if (successor != null) talk(); // what came together with Welcome
        while (!isOver || hasUnsent()) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key != accepting) talk();
                else if (key.isAcceptable()) accept();
            }
            selector.selectedKeys().clear();
            for (Runnable turn; (turn = turns.poll()) != null; ) turn.run();
        }
        hangUp();
    }

    /** How this worker is: a line for people, requests under way, requests done since the process began, and readings of its own. */
    public void status(String text, long inFlight, long requests, Gauge... gauges) {
        WorkerFrame.Builder frame = WorkerFrame.newBuilder().setStatus(
            Status.newBuilder().setText(text).setInFlight(inFlight).setRequests(requests).addAllGauges(List.of(gauges)));
        synchronized (this) {
            if (!tell(frame)) unsaid.add(frame);
        }
    }

    /** For the watchdog (DROVER_WATCHDOG_MS): the work goes on. */
    public synchronized void progress() {
        WorkerFrame.Builder frame = WorkerFrame.newBuilder().setProgress(Progress.getDefaultInstance());
        if (!tell(frame)) unsaid.add(frame);
    }

    /** So much time from now on is needed for the step that is under way. */
    public synchronized void extend(long timeoutMs) {
        if (!tell(WorkerFrame.newBuilder().setExtend(Extend.newBuilder().setTimeoutMs(timeoutMs)))) unsaid.needs(timeoutMs);
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
        synchronized (this) {
            topics.add(topic);
        }
    }

    /** Ends what subscribe began. */
    public void unsubscribe(String topic) {
        ask(WorkerFrame.newBuilder().setUnsubscribe(Unsubscribe.newBuilder().setTopic(topic)), 30_000);
        synchronized (this) {
            topics.remove(topic);
        }
    }

    /** The beginnings of a message; with SCOPE_WORKER or SCOPE_SLOT `setWorker` or `setSlot` says to whom. */
    public static Message.Builder message(String topic, byte[] payload, Scope scope) {
        return Message.newBuilder().setTopic(topic).setPayload(ByteString.copyFrom(payload)).setScope(scope);
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

    /** There is a connection, the first or another one. */
    private void take(Connection connection) throws IOException {
        connection.channel().register(selector, SelectionKey.OP_READ);
        received = connection.received();
        synchronized (this) {
            master = connection.channel();
            welcome = connection.welcome();
            if (connections > 0) life.reconnected();
            connections++;
            consumed = 0;
        }
    }

    /** And what could not be said without one. */
    private synchronized void sayWhatBelongsToAConnection() {
        if (welcome.getCapabilitiesList().contains("bus")) {
            tell(WorkerFrame.newBuilder().setConsumed(Consumed.newBuilder().setWindow(WINDOW)));
        }
        for (String topic : topics) tell(WorkerFrame.newBuilder().setSubscribe(Subscribe.newBuilder().setTopic(topic)));
        unsaid.extend(this::tell);
        // A master that has heard it may have died before it wrote it down.
        if (life.hasStartedUnasked()) tell(WorkerFrame.newBuilder().setStarted(Started.getDefaultInstance()));
        unsaid.say(this::tell);
    }

    private void talk() {
        SocketChannel channel = channel();
        if (channel == null) return; // the connection has ended in the same turn
        try {
            flush();
            boolean isOpen = channel.read(received) >= 0;
            received.flip();
            for (ByteBuffer bytes; (bytes = Frames.decode(received, welcome.getLimits().getMaxFrameBytes())) != null; ) {
                int length = bytes.remaining();
                take(MasterFrame.parseFrom(bytes), length);
            }
            received = Frames.roomFor(received);
            if (!isOpen) ended();
        } catch (InvalidProtocolBufferException notAFrame) {
            System.err.println("the connection to the master is of no use any more: " + notAFrame.getMessage());
            refuse(connections, 0, "BAD_FRAME", notAFrame.getMessage());
            leaveAlone();
        } catch (NotUnderstood error) {
            System.err.println("the connection to the master is closed: " + error.getMessage());
            leaveAlone();
        } catch (IOException error) {
            ended();
        }
    }

    private static final class NotUnderstood extends Exception {
        private static final long serialVersionUID = 1;

        NotUnderstood(String message) {
            super(message);
        }
    }

    private void take(MasterFrame frame, int length) throws NotUnderstood {
        long seq = frame.getSeq();
        int connection = connections;
        switch (frame.getBodyCase()) {
            case PING -> reply(connection, WorkerFrame.newBuilder().setReplyTo(seq).setPong(Pong.getDefaultInstance()));
            case MESSAGE -> messages.execute(() -> deliver(frame, length, connection));
            case REPLY, ACCEPTED, ERROR -> {
                synchronized (this) {
                    questions.answered(frame);
                }
            }
            case STOP -> {
                if (repeats(seq, State.STOPPING) || !asks(seq, State.STOPPING, State.STARTING, State.STARTED)) return;
                accept(false);
                app.stop().thenRun(this::sayStopped);
            }
            case RESUME -> {
                if (repeats(seq, State.STARTING) || !asks(seq, State.STARTING, State.STOPPED)) return;
                app.resume();
                accept(true);
                say(State.STARTING, State.STARTED, WorkerFrame.newBuilder().setStarted(Started.getDefaultInstance()));
            }
            case QUIT -> {
                if (!repeats(seq, State.LEAVING)) leave(seq);
            }
            default -> {
                if (frame.getMustUnderstand()) throw new NotUnderstood("the master sent what this worker does not know");
                if (frame.getExpectsReply()) refuse(connection, seq, "UNIMPLEMENTED", "this worker does not know the body");
            }
        }
    }

    /** Whether this is asked only because there is another connection. What is done already is answered at once. */
    private synchronized boolean repeats(long seq, State next) {
        if (!life.repeats(seq, next)) return false;
        WorkerFrame.Builder answer = WorkerFrame.newBuilder().setReplyTo(seq);
        if (next == State.STOPPING && life.state() == State.STOPPED) tell(answer.setStopped(Stopped.getDefaultInstance()));
        if (next == State.STARTING && life.state() == State.STARTED) tell(answer.setStarted(Started.getDefaultInstance()));
        return true;
    }

    /** Whether the master may ask for this now; if so, the worker is on its way. */
    private synchronized boolean asks(long seq, State next, State... from) {
        boolean may = life.asks(seq, next, from);
        if (!may) refuse(connections, seq, "BAD_STATE", "this worker is " + life.state());
        return may;
    }

    /** Without a Stop before it, a Quit is one. */
    private void leave(long seq) {
        State before;
        synchronized (this) {
            before = life.state();
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

    /**
     * Says that a step is done. Who says it too late says nothing; and an answer that can't be said waits for the question to come again.
     */
    private synchronized boolean say(State in, State next, WorkerFrame.Builder frame) {
        if (!life.says(in, next)) return false;
        tell(frame.setReplyTo(life.asked()));
        return true;
    }

    /** The connection has ended, and the work goes on: there may be a successor of the master. */
    private void ended() {
        if (!hangUp()) return;
        long grace = grace();
        daemon(() -> {
            Connection found = successor.await(grace);
            turns.add(() -> go(found));
            selector.wakeup();
        }, "drover-successor").start();
    }

    /** On, with a successor of the master, or without a master: nobody will say Stop or Quit any more. */
    private void go(Connection found) {
        if (found == null) {
            leave(0);
            return;
        }
        try {
            take(found);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        sayWhatBelongsToAConnection();
        talk(); // what came together with Welcome
    }

    /** Closes the connection to a master that can't be understood. Whatever hangs, the process ends in time. */
    private void leaveAlone() {
        if (!hangUp()) return;
        successor.burn(grace());
        leave(0);
    }

    /** Closes the connection, and with it all that belongs to it; whether the worker is to find another. */
    private synchronized boolean hangUp() {
        if (master == null) return false;
        try {
            master.close();
        } catch (IOException closed) {
            // It is gone either way.
        }
        master = null;
        unsent.clear();
        questions.giveUp();
        return life.state() != State.LEFT;
    }

    private synchronized SocketChannel channel() {
        return master;
    }

    private synchronized long grace() {
        return Search.grace(welcome.getLimits().getDrainTimeoutMs(), welcome.getLimits().getQuitTimeoutMs());
    }

    private void deliver(MasterFrame frame, int length, int connection) {
        WorkerFrame.Builder answer = WorkerFrame.newBuilder().setReplyTo(frame.getSeq());
        try {
            byte[] payload = app.message(this, frame.getMessage());
            if (frame.getExpectsReply()) reply(connection, answer.setReply(Reply.newBuilder().setPayload(ByteString.copyFrom(payload))));
        } catch (Exception error) { // whatever the application throws is the answer
            String code = error instanceof BusException refused ? refused.code : "FAILED";
            if (frame.getExpectsReply()) refuse(connection, frame.getSeq(), code, String.valueOf(error.getMessage()));
            else System.err.println("message " + frame.getMessage().getTopic() + ": " + error);
        }
        synchronized (this) {
            if (connection != connections) return; // a new connection has all its room
            consumed += length;
            if (consumed < WINDOW / 2) return;
            tell(WorkerFrame.newBuilder().setConsumed(Consumed.newBuilder().setBytes(consumed)));
            consumed = 0;
        }
    }

    private MasterFrame ask(WorkerFrame.Builder frame, long timeoutMs) {
        needsBus();
        CompletableFuture<MasterFrame> waiting = new CompletableFuture<>();
        long seq;
        synchronized (this) {
            if (master == null) throw new BusException("FAILED", "there is no connection to the master");
            seq = questions.ask(waiting);
            tell(frame.setSeq(seq).setExpectsReply(true));
        }
        try {
            // The master answers in time; this is for one that hangs.
            return waiting.orTimeout(timeoutMs + 1000, TimeUnit.MILLISECONDS).join();
        } catch (CompletionException failed) {
            throw failed.getCause() instanceof BusException refused ? refused : new BusException("DEADLINE", "no answer from the master");
        } finally {
            synchronized (this) {
                questions.forget(seq);
            }
        }
    }

    private synchronized void needsBus() {
        if (!welcome.getCapabilitiesList().contains("bus")) throw new BusException("UNIMPLEMENTED", "there is no master that carries messages");
    }

    private void refuse(int connection, long seq, String code, String message) {
        Error.Builder error = Error.newBuilder().setCode(ErrorCode.valueOf("ERROR_CODE_" + code)).setMessage(message);
        reply(connection, WorkerFrame.newBuilder().setReplyTo(seq).setError(error));
    }

    /** Answers; nothing is owed on a later connection. */
    private synchronized void reply(int connection, WorkerFrame.Builder frame) {
        if (connection == connections) tell(frame);
    }

    /** Sends at once what the socket takes, and leaves the rest to the loop; whether there is a connection to send to. */
    private synchronized boolean tell(WorkerFrame.Builder frame) {
        if (master == null) return false;
        ByteBuffer bytes = Frames.encode(frame.build());
        int most = welcome.getLimits().getMaxFrameBytes();
        if (bytes.remaining() - 4 > most) throw new BusException("INVALID_ARGUMENT", "a frame is over the limit of " + most + " bytes");
        if (frame.hasMessage() && unsent.bytes() > MAX_UNSENT_BYTES) throw new BusException("BUSY", "the master does not take what was sent before");
        unsent.add(bytes);
        return flush();
    }

    private synchronized boolean flush() {
        try {
            unsent.flush(master);
        } catch (IOException gone) {
            unsent.clear(); // the end of the stream says the rest
            return false;
        }
        SelectionKey key = master.keyFor(selector);
        if (key == null || !key.isValid()) return true;
        int ops = unsent.isEmpty() ? SelectionKey.OP_READ : SelectionKey.OP_READ | SelectionKey.OP_WRITE;
        if (key.interestOps() != ops) {
            key.interestOps(ops);
            selector.wakeup();
        }
        return true;
    }

    private synchronized boolean hasUnsent() {
        return master != null && !unsent.isEmpty();
    }

    private static Thread daemon(Runnable task, String name) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        return thread;
    }
}

package droverworker

import (
	"sync"

	"github.com/drover/drover/packages/go/pb"
)

const mostUnsent = 1024 // frames; whoever says more waits until the master takes them

// outgoing is a frame that the master has not taken yet.
type outgoing struct {
	bytes []byte
	on    *link // the connection that it belongs to and ends with; nil: any
	news  news
}

// news is a kind of frame of which the newest counts.
type news int

const (
	isNone news = iota
	isStatus
	isProgress
)

// outbox holds what is to be said, over one connection and the next.
type outbox struct {
	lock       sync.Mutex
	changed    sync.Cond
	frames     []outgoing
	current    *link  // the connection that takes them; nil while there is none
	lastStatus []byte // of which nobody knows whether a master that died has read it
	isClosed   bool   // nothing more is taken in; what is there is written
}

func newOutbox() *outbox {
	o := &outbox{}
	o.changed.L = &o.lock
	return o
}

// put takes a frame in, and waits until there is room for it. One whose connection has ended is dropped: its master is gone.
func (o *outbox) put(frame outgoing) error {
	o.lock.Lock()
	defer o.lock.Unlock()
	if frame.news == isStatus {
		o.lastStatus = frame.bytes
	}
	if frame.news != isNone && o.replace(frame) {
		return nil
	}
	for len(o.frames) >= mostUnsent && !o.isClosed && o.concerns(frame) {
		o.changed.Wait()
	}
	if o.isClosed {
		return &BusError{pb.ErrorCode_ERROR_CODE_FAILED, masterIsGone}
	}
	if o.concerns(frame) {
		o.frames = append(o.frames, frame)
		o.changed.Broadcast()
	}
	return nil
}

// replace puts the newest in the place of one that waits: while there is no master they would fill the outbox.
func (o *outbox) replace(frame outgoing) bool {
	for index, known := range o.frames {
		if known.news == frame.news {
			o.frames[index] = frame
			return true
		}
	}
	return false
}

func (o *outbox) concerns(frame outgoing) bool {
	return frame.on == nil || frame.on == o.current
}

// begin lets a connection take what waits, after these frames. It ends when the box or the connection is closed.
func (o *outbox) begin(l *link, first [][]byte) {
	o.lock.Lock()
	defer o.lock.Unlock()
	var before []outgoing
	for _, bytes := range first {
		before = append(before, outgoing{bytes: bytes, on: l})
	}
	if status := (outgoing{bytes: o.lastStatus, news: isStatus}); status.bytes != nil && !o.replace(status) {
		before = append(before, status)
	}
	o.frames = append(before, o.frames...)
	o.current = l
	o.changed.Broadcast()
	go o.write(l)
}

// end is for a connection that has ended: what belonged to it is dropped.
func (o *outbox) end(l *link) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.current == l {
		o.current = nil
	}
	o.changed.Broadcast()
}

// close lets the connection end when all is written.
func (o *outbox) close() {
	o.lock.Lock()
	current := o.current
	o.isClosed = true
	o.changed.Broadcast()
	o.lock.Unlock()
	if current != nil {
		<-current.written
	}
}

func (o *outbox) write(l *link) {
	defer close(l.written)
	defer l.conn.Close()
	for {
		frame, isOne := o.next(l)
		if !isOne {
			return
		}
		if _, err := l.conn.Write(frame.bytes); err != nil {
			o.putBack(frame) // why it failed is told by the end of the stream
			return
		}
	}
}

// next waits for the next frame of this connection.
func (o *outbox) next(l *link) (outgoing, bool) {
	o.lock.Lock()
	defer o.lock.Unlock()
	for o.current == l {
		for len(o.frames) > 0 {
			frame := o.frames[0]
			o.frames = o.frames[1:]
			o.changed.Broadcast()
			if o.concerns(frame) {
				return frame, true
			}
		}
		if o.isClosed {
			break
		}
		o.changed.Wait()
	}
	return outgoing{}, false
}

// putBack is for a frame that no master has heard whole: the next one is to hear it, as it does the last status.
func (o *outbox) putBack(frame outgoing) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if frame.on == nil && frame.news != isStatus {
		o.frames = append([]outgoing{frame}, o.frames...)
	}
}

package droverworker

import (
	"encoding/binary"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/drover/drover/packages/go/pb"
)

// encode makes a frame of a message: its length in front.
func encode(message proto.Message) ([]byte, error) {
	bytes, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4), message)
	if err == nil {
		binary.BigEndian.PutUint32(bytes, uint32(len(bytes)-4))
	}
	return bytes, err
}

// readFrame reads the bytes of the next message. io.EOF and io.ErrUnexpectedEOF are the end of the stream.
func readFrame(reader io.Reader, limit uint32) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > limit {
		return nil, &BusError{pb.ErrorCode_ERROR_CODE_BAD_FRAME, fmt.Sprintf("not a frame, or one of more than %d bytes: %d", limit, length)}
	}
	data := make([]byte, length)
	_, err := io.ReadFull(reader, data)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

package main

import (
	"encoding/binary"
	"unsafe"
)

const text = 7 // the contract's enum `scalar`

type field struct {
	name            string
	scalar          uint8
	array, nullable bool
}

// A column of the output: the input's column `keep`, unless one is made.
type out struct {
	keep uint32
	made *field
}

type planned struct {
	reads  []uint32
	output []out
}

type column struct{ validity, offsets, data []byte }

func (c *column) isNull(row uint32) bool {
	return len(c.validity) > 0 && c.validity[row/8]>>(row%8)&1 == 0
}

func (c *column) text(row uint32) []byte {
	ends := c.offsets[4*row:]
	return c.data[binary.LittleEndian.Uint32(ends):binary.LittleEndian.Uint32(ends[4:])]
}

// The canonical layout.
type list struct{ ptr, len uint32 }
type rawField struct {
	name                    list
	scalar, array, nullable uint8
}
type rawSetting struct{ name, value list }
type rawOut struct {
	isNew uint8
	keep  uint32 // or the pointer to the name of a new column
	len   uint32
	flags [4]uint8 // scalar, array, nullable
}
type rawColumn struct{ validity, offsets, data list }
type rawError struct {
	isErr   uint8
	message list
}
type rawPlan struct {
	isErr         uint8
	reads, output list
}
type rawOutput struct {
	isErr                    uint8
	rows                     uint32
	origin, columns, rejects list
}

// What the runner still points into; let go by cabi_post_*.
var alive []any

func slice[T any](l list) []T {
	if l.len == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(uintptr(l.ptr))), l.len)
}

func lower[T any](s []T) list {
	if len(s) == 0 {
		return list{}
	}
	alive = append(alive, s)
	return list{uint32(uintptr(unsafe.Pointer(unsafe.SliceData(s)))), uint32(len(s))}
}

func lowerString(s string) list { return lower([]byte(s)) }

func address[T any](p *T) uint32 {
	alive = append(alive, p)
	return uint32(uintptr(unsafe.Pointer(p)))
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

//go:wasmexport etl_transform_0_1
func version() {}

//go:wasmexport cabi_realloc
func cabiRealloc(old, oldLen, align, n uint32) uint32 {
	if n == 0 {
		return align
	}
	words := make([]uint64, (n+7)/8) // aligned to 8 bytes
	block := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
	copy(block, slice[byte](list{old, oldLen}))
	alive = append(alive, words)
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(words))))
}

//go:wasmexport plan
func exportPlan(fields, fieldCount, settings, settingCount uint32) uint32 {
	var input []field
	for _, f := range slice[rawField](list{fields, fieldCount}) {
		input = append(input, field{string(slice[byte](f.name)), f.scalar, f.array != 0, f.nullable != 0})
	}
	var options []string
	for _, s := range slice[rawSetting](list{settings, settingCount}) {
		options = append(options, string(slice[byte](s.name)))
	}
	alive = nil
	p, err := plan(input, options)
	if err != nil {
		return address(&rawError{1, lowerString(err.Error())})
	}
	output := make([]rawOut, len(p.output))
	for i, o := range p.output {
		if o.made == nil {
			output[i] = rawOut{keep: o.keep}
			continue
		}
		name := lowerString(o.made.name)
		output[i] = rawOut{1, name.ptr, name.len, [4]uint8{o.made.scalar, bit(o.made.array), bit(o.made.nullable)}}
	}
	return address(&rawPlan{0, lower(p.reads), lower(output)})
}

//go:wasmexport transform
func exportTransform(rows, columns, count uint32) uint32 {
	in := slice[rawColumn](list{columns, count})[0]
	made := transform(rows, column{slice[byte](in.validity), slice[byte](in.offsets), slice[byte](in.data)})
	raw := []rawColumn{{lower(made.validity), lower(made.offsets), lower(made.data)}}
	return address(&rawOutput{rows: rows, columns: lower(raw)})
}

//go:wasmexport cabi_post_plan
func postPlan(result uint32) { alive = nil }

//go:wasmexport cabi_post_transform
func postTransform(result uint32) { alive = nil }

//go:wasmimport etl:transform/host@0.1.0 log
func hostLog(level uint32, line unsafe.Pointer, n uint32)

func log(line string) {
	hostLog(1, unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

// Gives every row back as it came. `name` goes through the module, all other columns go around it.
package main

import (
	"encoding/binary"
	"errors"
)

func plan(input []field, options []string) (*planned, error) {
	if len(options) > 0 {
		return nil, errors.New("unknown option `" + options[0] + "`: this module takes none")
	}
	p := planned{output: make([]out, len(input))}
	for i, f := range input {
		p.output[i] = out{keep: uint32(i)}
		if f.name != "name" {
			continue
		}
		if f.scalar != text || f.array {
			return nil, errors.New("column `name` is of another type, this module wants text")
		}
		p.reads = []uint32{uint32(i)}
		p.output[i] = out{made: &field{name: "name", scalar: text, nullable: true}}
	}
	if p.reads == nil {
		return nil, errors.New("no column `name` (text)")
	}
	log("identity: planned")
	return &p, nil
}

// Builds the column anew, value by value.
func transform(rows uint32, names column) column {
	made := column{offsets: make([]byte, 4, 4*rows+4)}
	nulls := false
	for row := range rows {
		if row%8 == 0 {
			made.validity = append(made.validity, 0)
		}
		if names.isNull(row) {
			nulls = true
		} else {
			made.validity[row/8] |= 1 << (row % 8)
			made.data = append(made.data, names.text(row)...)
		}
		made.offsets = binary.LittleEndian.AppendUint32(made.offsets, uint32(len(made.data)))
	}
	if !nulls {
		made.validity = nil
	}
	return made
}

func main() {}

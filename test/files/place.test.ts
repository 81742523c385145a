import { expect, test } from 'vitest'
import { parseFilesPlace } from '../../src/files/place.ts'

test.each([
  ['file:./data/files', { kind: 'disk', folder: './data/files' }],
  ['file:/var/lib/posthorn', { kind: 'disk', folder: '/var/lib/posthorn' }],
  ['s3://my-bucket', { kind: 's3', bucket: 'my-bucket', prefix: '' }],
  ['s3://my-bucket/', { kind: 's3', bucket: 'my-bucket', prefix: '' }],
  ['s3://my.bucket/post/horn_1', { kind: 's3', bucket: 'my.bucket', prefix: 'post/horn_1/' }],
  ['s3://my-bucket/posthorn/', { kind: 's3', bucket: 'my-bucket', prefix: 'posthorn/' }],
])('%s is a place of files', (text, place) => {
  expect(parseFilesPlace(text)).toEqual(place)
})

test.each([
  '',
  'file:',
  './data',
  's3://',
  's3:bucket',
  's3://My_Bucket',
  's3://ab',
  's3://my-bucket//x',
  's3://my-bucket/../x',
  's3://my-bucket/x?y',
  's3://key:secret@my-bucket',
  'https://my-bucket.s3.amazonaws.com',
])('"%s" is none', (text) => {
  expect(parseFilesPlace(text)).toBeNull()
})

// Makes a thumbnail: a JPEG or PNG image on standard input, a JPEG of at most 256 pixels a
// side on standard output. Transparent parts become white. An EXIF orientation is not applied.
//
// The decoding, resizing and encoding are Sean Barrett's stb (Debian: libstb-dev, public domain).

#include <stdio.h>
#include <stdlib.h>

#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#include <stb/stb_image.h>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image_resize.h>

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>

enum {
    SIDE_MAX = 256,             // longest side of the thumbnail, in pixels
    QUALITY = 85,               // JPEG quality, 1 to 100
    INPUT_BYTES_MAX = 32 << 20, // a camera's JPEG has 5 to 15 MB
    PIXELS_MAX = 24 << 20,      // decoded at 4 bytes a pixel this takes 96 MB
};

static int fail(const char *message) {
    fprintf(stderr, "thumbnail: %s\n", message);
    return 1;
}

static unsigned char *read_input(int *length) {
    size_t capacity = 64 << 10, used = 0;
    unsigned char *bytes = malloc(capacity);
    while (bytes != NULL) {
        used += fread(bytes + used, 1, capacity - used, stdin);
        if (used < capacity)
            break;
        if (used >= INPUT_BYTES_MAX) {
            free(bytes);
            return NULL;
        }
        capacity *= 2;
        unsigned char *larger = realloc(bytes, capacity);
        if (larger == NULL)
            free(bytes);
        bytes = larger;
    }
    *length = (int)used;
    return bytes;
}

// Lays the pixels over white and drops the alpha channel, in place.
static void flatten(unsigned char *pixels, int count) {
    for (int i = 0; i < count; i++) {
        int alpha = pixels[4 * i + 3];
        for (int channel = 0; channel < 3; channel++)
            pixels[3 * i + channel] = (pixels[4 * i + channel] * alpha + 255 * (255 - alpha) + 127) / 255;
    }
}

static void write_chunk(void *failed, void *bytes, int length) {
    if (fwrite(bytes, 1, length, stdout) != (size_t)length)
        *(int *)failed = 1;
}

static int scaled(int side, int longest) {
    int result = (int)(((long long)side * SIDE_MAX + longest / 2) / longest);
    return result < 1 ? 1 : result;
}

int main(void) {
    int length = 0;
    unsigned char *input = read_input(&length);
    if (input == NULL)
        return fail("the image is larger than 32 MB; send a smaller one");
    int width, height, channels;
    if (!stbi_info_from_memory(input, length, &width, &height, &channels))
        return fail("the payload is not a JPEG or PNG image");
    if ((long long)width * height > PIXELS_MAX)
        return fail("the image has more than 24 megapixels; send a smaller one");
    unsigned char *pixels = stbi_load_from_memory(input, length, &width, &height, &channels, 4);
    if (pixels == NULL)
        return fail("the image is damaged or needs more memory than there is");
    free(input);

    int longest = width > height ? width : height;
    int small_width = longest > SIDE_MAX ? scaled(width, longest) : width;
    int small_height = longest > SIDE_MAX ? scaled(height, longest) : height;
    unsigned char *small = malloc((size_t)small_width * small_height * 4);
    if (small == NULL || !stbir_resize_uint8_srgb(pixels, width, height, 0, small, small_width, small_height, 0, 4, 3, 0))
        return fail("the image needs more memory than there is");

    flatten(small, small_width * small_height);
    int failed = 0;
    if (!stbi_write_jpg_to_func(write_chunk, &failed, small_width, small_height, 3, small, QUALITY) || failed || fflush(stdout) != 0)
        return fail("the thumbnail could not be written");
    return 0;
}

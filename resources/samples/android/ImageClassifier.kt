// Classify photographs with a model of the export, in an Android app (API 28 or newer).
//
// Needs org.jetbrains.kotlin and com.microsoft.onnxruntime:onnxruntime-android in build.gradle.kts; the model and
// labels.txt in app/src/main/assets. Use it outside the main thread:
//
//     ImageClassifier(context).use { classifier -> classifier.classify(photograph).first() }
//
// model_fixed.onnx works too: the photograph is then cropped and scaled here.

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import android.content.Context
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import java.io.File
import java.nio.ByteBuffer
import org.json.JSONArray
import org.json.JSONObject

class Answer(val className: String, val probability: Float)

class ImageClassifier(context: Context, model: String = "model.onnx") : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val classNames = context.assets.open("labels.txt").bufferedReader().readLines().filter { it.isNotEmpty() }
    private val session: OrtSession =
        environment.createSession(context.assets.open(model).readBytes(), OrtSession.SessionOptions())
    private val preprocessing = JSONObject(session.metadata.customMetadata.getValue("preprocessing"))

    // [batch, height, width, 3]: negative numbers stand for any size.
    private val taken = (session.inputInfo.getValue("image").info as TensorInfo).shape

    /** Returns all classes, the most probable first. A file is turned upright as its EXIF data say. */
    fun classify(file: File): List<Answer> =
        classify(
            ImageDecoder.decodeBitmap(ImageDecoder.createSource(file)) { decoder, _, _ ->
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE // a bitmap in the GPU's memory has no pixels to read
            }
        )

    /** Returns all classes of an upright photograph, the most probable first. */
    fun classify(photograph: Bitmap): List<Answer> {
        val bitmap = if (taken[1] > 0) fitted(photograph) else photograph
        val shape = longArrayOf(1, bitmap.height.toLong(), bitmap.width.toLong(), 3)
        OnnxTensor.createTensor(environment, bytesOf(bitmap), shape, OnnxJavaType.UINT8).use { image ->
            session.run(mapOf("image" to image), setOf("probabilities")).use { results ->
                @Suppress("UNCHECKED_CAST") val probabilities = (results[0].value as Array<FloatArray>)[0]
                return classNames.zip(probabilities.toList()).map { Answer(it.first, it.second) }
                    .sortedByDescending { it.probability }
            }
        }
    }

    /** Returns red, green and blue of each pixel, transparent parts on white. */
    private fun bytesOf(bitmap: Bitmap): ByteBuffer {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val bytes = ByteBuffer.allocateDirect(3 * pixels.size)
        for (pixel in pixels) {
            val alpha = pixel ushr 24
            for (shift in intArrayOf(16, 8, 0)) {
                val colour = pixel ushr shift and 255
                bytes.put(((colour * alpha + 255 * (255 - alpha) + 127) / 255).toByte())
            }
        }
        bytes.rewind()
        return bytes
    }

    /** Returns the part of a photograph that the model sees, in its size: the largest box of its aspect ratio. */
    private fun fitted(photograph: Bitmap): Bitmap {
        val (height, width) = taken[1].toInt() to taken[2].toInt()
        val (left, top, right, bottom) = sides(preprocessing.getJSONArray("region"))
        val x = photograph.width * left / 1000
        val y = photograph.height * top / 1000
        val regionWidth = photograph.width * right / 1000 - x
        val regionHeight = photograph.height * bottom / 1000 - y
        val scale = minOf(regionWidth.toDouble() / width, regionHeight.toDouble() / height)
        val boxWidth = maxOf(1, (width * scale * preprocessing.getDouble("crop_share")).toInt())
        val boxHeight = maxOf(1, (height * scale * preprocessing.getDouble("crop_share")).toInt())
        val box = Bitmap.createBitmap(
            photograph, x + (regionWidth - boxWidth) / 2, y + (regionHeight - boxHeight) / 2, boxWidth, boxHeight
        )
        return halved(box, width, height)
    }

    /** Scales a bitmap down in halves: filtering from far larger looks at few of its pixels. */
    private fun halved(bitmap: Bitmap, width: Int, height: Int): Bitmap {
        var found = bitmap
        while (found.width >= 2 * width && found.height >= 2 * height)
            found = Bitmap.createScaledBitmap(found, found.width / 2, found.height / 2, true)
        return Bitmap.createScaledBitmap(found, width, height, true)
    }

    private fun sides(permille: JSONArray): List<Int> = List(permille.length()) { permille.getInt(it) }

    override fun close() = session.close()
}
